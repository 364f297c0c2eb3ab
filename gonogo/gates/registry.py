"""The gates, in the order in which they are passed."""

from __future__ import annotations

from dataclasses import dataclass

SAMPLE = "sample"


@dataclass(frozen=True)
class Gate:
    """One gate."""

    name: str  # of its thresholds, and of its rule: `judge_NAME`
    measured_by: str  # the rule whose measurements it judges
    module: str  # has `Measurements` (what that rule wrote) and `judge(measurements, thresholds)`
    by_mode: bool = False  # what it judges depends on the mode
    of_scripts: str = ""  # the module in place of `module` where a script was watched, and not an experiment's class
    scope: str = ""  # the part that it judges, where a gate judges several

    @property
    def path(self) -> str:
        """Its name, scope included, and its folder below the experiment's results: `quality/sample`."""
        return f"{self.name}/{self.scope}" if self.scope else self.name


GATES = (
    Gate("generator", "prepare", "gonogo.gates.generator"),
    Gate("quality", "measure_quality", "gonogo.quality.judge", scope=SAMPLE),
    Gate("quality", "measure_quality", "gonogo.quality.judge", scope="dataset"),
    Gate("learning", "smoke_train", "gonogo.learning.judge", of_scripts="gonogo.script.learning_gate"),
    Gate("memory", "trace_memory", "gonogo.memory.judge", by_mode=True),
    Gate("launch", "measure_launch", "gonogo.gates.launch", by_mode=True),
    Gate("canary", "canary", "gonogo.gates.canary", by_mode=True),
    Gate("results", "validate", "gonogo.gates.results", by_mode=True),
)


def gate(path: str) -> Gate:
    """The gate of this name, scope included."""
    return next(gate for gate in GATES if gate.path == path)


def upto(path: str) -> tuple[Gate, ...]:
    """Every gate up to this one, and this one."""
    return GATES[: GATES.index(gate(path)) + 1]
