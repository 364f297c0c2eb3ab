"""What can go wrong with a paid run, and the check that looks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.base.text import clean
from gonogo.report.wording import gravest_first
from gonogo.verdict import Check, Status, Verdict, status_of

LIKELIHOOD = {Status.GO: "low", Status.CAUTION: "medium", Status.UNKNOWN: "unknown", Status.NO_GO: "high"}

# gates that judge on the paid machine or after it, and what they will judge
LATER = {
    "canary": "The first steps on the paid machine: memory, speed and loss, compared with the plan.",
    "results": "The downloaded results: skill on held-out items, and the predictions themselves.",
}


@dataclass(frozen=True)
class Risk:
    """Something that can go wrong. `check` names one check of the gate; empty: all of them."""

    risk: str
    gate: str
    mitigation: str
    check: str = ""


@dataclass(frozen=True)
class JudgedRisk:
    """A risk with what its check found. `anchor` is the title of the section that shows it."""

    risk: str
    likelihood: str
    check: str
    anchor: str
    mitigation: str


RISKS = (
    Risk(
        "The data generator is not good enough",
        "generator",
        "It is tested on its own, on held-out inputs.",
    ),
    Risk(
        "The data teaches the wrong thing: dark, empty, copied or shuffled",
        "quality",
        "A sample is judged before the full dataset is generated, and the dataset before training.",
    ),
    Risk(
        "The model does not learn, or does not use its input",
        "learning",
        "A local smoke run, judged on held-out items and not by its loss.",
    ),
    Risk(
        "A step does not fit the card",
        "memory",
        "The step is traced with its batch; the batch plan can be changed.",
    ),
    Risk(
        "The run exceeds the budget",
        "launch",
        "Forecast from measured steps; part of the budget is kept free.",
        "budget",
    ),
    Risk(
        "The machine is left running",
        "launch",
        "The agent on the machine stops the run at its time limit.",
        "time_cap",
    ),
    Risk("Something needed is missing", "launch", "The critical items are checked before upload.", "items"),
    Risk(
        "The machine is slower or smaller than its data sheet",
        "canary",
        "A few steps are measured there before the run; a NO-GO costs minutes.",
    ),
    Risk(
        "The result disappoints",
        "results",
        "The expected result is written down before the run and compared afterwards.",
    ),
)


def judged_risks(verdicts: Sequence[Verdict]) -> list[JudgedRisk]:
    """Every risk with its likelihood, derived from its check; unknown where its gate has not judged."""
    return [_judged(risk, [verdict for verdict in verdicts if verdict.gate == risk.gate]) for risk in RISKS]


def _judged(risk: Risk, verdicts: Sequence[Verdict]) -> JudgedRisk:
    found = [(verdict, check) for verdict in verdicts for check in _checks(verdict, risk)]
    if not found:
        title, anchor = f"{risk.gate}, still to come", "Gates still to come"
        return JudgedRisk(risk.risk, LIKELIHOOD[Status.UNKNOWN], title, anchor, risk.mitigation)
    gravest = status_of(check for _, check in found)
    verdict, check = next(pair for pair in found if pair[1].status is gravest)
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    title = f"{verdict.title}: {clean(check.title)}{more}"
    return JudgedRisk(risk.risk, LIKELIHOOD[gravest], title, f"{verdict.title} gate", risk.mitigation)


def _checks(verdict: Verdict, risk: Risk) -> list[Check]:
    return [check for check in gravest_first(verdict) if risk.check in ("", check.id)]
