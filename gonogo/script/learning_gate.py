"""The learning gate of an experiment given as a command: what the pass on the processor saw of its script."""

from __future__ import annotations

from pydantic import Field

from gonogo.config.gate_thresholds import LearningGate
from gonogo.measurements import Measured
from gonogo.script.processor.facts import ProcessorFacts
from gonogo.script.processor.judge import judge as judge_processor
from gonogo.verdict import Check, Status


class Measurements(Measured):
    """Of a script that was watched and not changed."""

    script: ProcessorFacts = Field(description="what the pass on the processor saw")


def judge(measured: Measurements, gate: LearningGate) -> tuple[list[Check], str]:
    """Data as the script feeds it, wiring, learning."""
    parts = judge_processor(measured.script, gate)
    checks = [*parts.data, *parts.wiring, *parts.learning]
    if measured.script.steps == 0 and not any(check.status is Status.NO_GO for check in checks):
        checks.insert(0, _no_step(measured.script))
    return checks, parts.cause


def _no_step(facts: ProcessorFacts) -> Check:
    error = f"{facts.error.name}: {facts.error.message}" if facts.error else f"it {facts.ending.replace('_', ' ')}"
    return Check(
        id="trained", title="Optimizer steps of the script on this processor", value=0, status=Status.UNKNOWN,
        why=f"the script reached no optimizer step in {facts.seconds:.0f} s: {error}",
        hint="Make it reach one sooner: smoke: {arguments: …} adds words to its command, for a smaller model or less "
        "data; smoke: {max_minutes: …} gives it more time.",
    )  # fmt: skip
