"""From what was seen of a script to checks in three parts, and one cause."""

from __future__ import annotations

from dataclasses import dataclass, field

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.findings import DIVERGING, CheckAndCause
from gonogo.script.processor import judge_calls, judge_data, judge_errors, judge_learning, judge_wiring
from gonogo.script.processor.facts import ProcessorFacts
from gonogo.script.processor.judging import Test
from gonogo.verdict import Check, Status

WIRING_TESTS: tuple[Test, ...] = (
    judge_errors.error, judge_errors.steps, *judge_calls.TESTS, *judge_wiring.TESTS, *judge_calls.AFTER_WIRING,
    *judge_wiring.AFTER,
)  # fmt: skip
BY_EXPLOSION = {"step_order", "input_used", "weight_change"}  # an exploded model has no gradients and ignores its input


@dataclass
class Parts:
    """Checks by part, and the first cause that they name: DATA, LEAKAGE, WIRING, DIVERGING, …; empty: none."""

    data: list[Check] = field(default_factory=list)
    wiring: list[Check] = field(default_factory=list)
    learning: list[Check] = field(default_factory=list)
    cause: str = ""


def judge(facts: ProcessorFacts, gate: LearningGate | None = None) -> Parts:
    """Each part's checks, in the order in which they explain each other: data before wiring before learning."""
    gate = gate or LearningGate()
    data = _found(judge_data.TESTS, facts, gate)
    wiring = _found(WIRING_TESTS, facts, gate)
    learning = _found(judge_learning.TESTS, facts, gate) if facts.steps else []
    if any(finding.check.id == "targets" and finding.cause for finding in data):
        wiring = [one for one in wiring if one.check.id != "script"]  # the script's error is explained
    if any(one.cause == DIVERGING for one in learning):
        wiring = [one for one in wiring if one.check.status is not Status.NO_GO or one.check.id not in BY_EXPLOSION]
    causes = [one.cause for one in (*data, *wiring, *learning) if one.check.status is Status.NO_GO]
    return Parts(
        _checks(data), _checks(wiring), _checks(learning), next(iter(causes), "")
    )  # fmt: skip


def _found(tests: tuple[Test, ...], facts: ProcessorFacts, gate: LearningGate) -> list[CheckAndCause]:
    return [finding for test in tests if (finding := test(facts, gate)) is not None]


def _checks(findings: list[CheckAndCause]) -> list[Check]:
    """One check an id: the gravest."""
    checks: dict[str, Check] = {}
    for check, _ in findings:
        if check.id not in checks or check.status.severity > checks[check.id].status.severity:
            checks[check.id] = check
    return list(checks.values())
