"""Which verdict of a gate stands: the last round of a sample, and no gate after one that stopped the work."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from gonogo.gates.registry import GATES, SAMPLE, Gate, upto
from gonogo.gates.registry import gate as named
from gonogo.verdict import Override, Verdict

# the verdict file of a gate, in a round of the sample (0 for every other gate); it need not exist
VerdictFile: TypeAlias = Callable[[Gate, int], Path]


@dataclass(frozen=True)
class Standing:
    """A gate's verdict that stands, and the folder that it lies in."""

    gate: Gate
    folder: Path
    verdict: Verdict


def standing(verdict_file: VerdictFile, gates: Iterable[Gate] = GATES) -> Iterator[Standing]:
    """The verdicts that stand, in the order of the gates, up to the first that stops the work or is not there."""
    for gate in gates:
        found = standing_of(gate, verdict_file)
        if found is None:
            return
        yield found
        if not found.verdict.go:
            return


def standing_of(gate: Gate, verdict_file: VerdictFile) -> Standing | None:
    """One gate's verdict that stands; None where it is still to come."""
    path = verdict_file(gate, _round(gate, verdict_file))
    return Standing(gate, path.parent, Verdict.read(path)) if path.exists() else None


def _round(gate: Gate, verdict_file: VerdictFile) -> int:
    return rounds(verdict_file) - 1 if gate.scope == SAMPLE else 0


def rounds(verdict_file: VerdictFile) -> int:
    """How often the sample is judged, each time with more of it: at least 1, counting one that is still to come."""
    sample, number = named(f"quality/{SAMPLE}"), 0
    while more_items(verdict_file(sample, number)):
        number += 1
    return number + 1


def more_items(verdict: Path | str) -> int:
    """How many more items a verdict file asks for; 0 for none, for a decision by name, and where there is no file."""
    if not Path(verdict).exists():
        return 0
    found = json.loads(Path(verdict).read_text())
    return 0 if found["override"] else int(found["more"])


def below(experiment: Path | str, mode: str) -> VerdictFile:
    """Verdict files as they lie below an experiment's results."""
    return lambda gate, round: folder(gate, experiment, mode, round) / "verdict.json"


def folder(gate: Gate, experiment: Path | str, mode: str, round: int = 0) -> Path:
    """Where a gate keeps its measurements, verdict and token, below the experiment's results.

    Args:
        round: how often more of the sample was asked for before.
    """
    name = f"{gate.path}_{round}" if round else gate.path
    return Path(experiment, mode, name) if gate.by_mode else Path(experiment, name)


def latest(gate: Gate, experiment: Path | str, mode: str) -> Path:
    """The folder of the verdict that stands, or is still to come."""
    return below(experiment, mode)(gate, _round(gate, below(experiment, mode))).parent


def verdicts(experiment: Path | str, mode: str, before: str = "") -> list[Verdict]:
    """Those that stand below an experiment's results, up to but without the gate named."""
    gates = upto(before)[:-1] if before else GATES
    return [at.verdict for at in standing(below(experiment, mode), gates)]


def override_for(overrides: Sequence[Override], experiment: str, gate: str) -> Override | None:
    """The decision that a named person took about this gate of this experiment, if any."""
    return next((o for o in overrides if (o.experiment, o.gate) == (experiment, gate)), None)
