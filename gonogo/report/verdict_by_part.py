"""Separate verdicts for infrastructure, code, data and hypothesis, derived from the gates that judged them.

A run can fail on one part and prove another: a good machine, sound code and bad data are three findings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.base.text import clean
from gonogo.report.causes import GATE_PARTS, PartName, cause_of
from gonogo.verdict import Status, Verdict, worst

# the gate without which nothing can be said about a part
DECISIVE: dict[PartName, str] = {
    "infrastructure": "canary",
    "code": "learning",
    "data": "quality",
    "hypothesis": "results",
}
CONFIDENCE = {Status.GO: "high", Status.CAUTION: "medium", Status.UNKNOWN: "unknown", Status.NO_GO: "none"}


@dataclass(frozen=True)
class PartVerdict:
    """What the gates say about one part of the experiment."""

    name: str
    status: Status
    because: str

    @property
    def confidence(self) -> str:
        return CONFIDENCE[self.status]


def parts(verdicts: Sequence[Verdict]) -> list[PartVerdict]:
    """The four parts in fixed order. A part whose decisive gate has not judged is UNKNOWN, never GO."""
    found = {name: _part(name, verdicts) for name in DECISIVE}
    spoilt = [part.name for part in (found["data"], found["code"]) if part.status is Status.NO_GO]
    if spoilt:
        because = f"not tested: {' and '.join(spoilt)} did not pass, so no result supports or contradicts it"
        found["hypothesis"] = PartVerdict("hypothesis", Status.UNKNOWN, because)
    return list(found.values())


def overall(of: Sequence[PartVerdict]) -> PartVerdict:
    """No better than the weakest part."""
    status = worst(part.status for part in of)
    return PartVerdict(
        "overall", status, "the weakest of: " + ", ".join(part.name for part in of if part.status is status)
    )


def at_fault(verdict: Verdict) -> PartName | None:
    """The part that a verdict counts against; None when it passes or names no part."""
    return cause_of(verdict).part if verdict.status is Status.NO_GO else None


def _part(name: PartName, verdicts: Sequence[Verdict]) -> PartVerdict:
    against = [verdict for verdict in verdicts if at_fault(verdict) == name]
    if against:
        return PartVerdict(name, Status.NO_GO, f"{against[0].title}: {clean(against[0].summary)}")
    own = [verdict for verdict in verdicts if GATE_PARTS.get(verdict.gate) == name]
    undecided = [verdict for verdict in own if not verdict.status.passes]
    if undecided:
        return PartVerdict(name, Status.UNKNOWN, _undecided(undecided[0]))
    if DECISIVE[name] not in {verdict.gate for verdict in own}:
        seen = f"; {_listed(own)} passed" if own else ""
        return PartVerdict(name, Status.UNKNOWN, f"not measured: the {DECISIVE[name]} gate has not judged{seen}")
    return PartVerdict(name, worst(verdict.status for verdict in own), f"passed: {_listed(own)}")


def _undecided(verdict: Verdict) -> str:
    if verdict.status is Status.UNKNOWN:
        return f"{verdict.title}: {clean(verdict.summary)}"
    # a check without a threshold proves nothing, the fall of the loss above all
    asked = [check for check in verdict.checks if check.status.passes and not check.threshold.startswith("none")]
    good = [clean(check.title) for check in asked]
    seen = f"; passed there: {', '.join(good)}" if good else ""
    stopped = f"the {verdict.title} gate stopped at another cause ({clean(verdict.cause)})"
    return f"{stopped} and did not clear this part{seen}"


def _listed(verdicts: Sequence[Verdict]) -> str:
    return ", ".join(f"{v.title} ({_counted(v)})" for v in verdicts)


def _counted(verdict: Verdict) -> str:
    """Without what was not measured."""
    count = sum(not check.grey for check in verdict.checks)
    return f"{count} check{'s' * (count != 1)}"
