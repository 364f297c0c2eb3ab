"""Which verdict of a gate stands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from gonogo.gates.registry import BY_MODE, SAMPLE
from gonogo.verdict import Override


def folder(gate: str, experiment: Path | str, mode: str, round: int = 0) -> Path:
    """Where a gate of `ORDER` keeps its measurements, verdict and token, below the experiment's results.

    Args:
        round: how often more of the sample was asked for before.
    """
    name = f"{gate}_{round}" if round else gate
    return Path(experiment, mode, name) if gate in BY_MODE else Path(experiment, name)


def latest(gate: str, experiment: Path | str, mode: str) -> Path:
    """The folder of the verdict that stands: a sample that did not decide was judged again with more."""
    last = rounds(experiment) - 1 if gate == f"quality/{SAMPLE}" else 0
    return folder(gate, experiment, mode, last)


def rounds(experiment: Path | str) -> int:
    """How often the sample was judged, each time with more: at least 1, counting one that is still to come."""
    number = 0
    while asks_for_more(folder(f"quality/{SAMPLE}", experiment, "", number) / "verdict.json"):
        number += 1
    return number + 1


def asks_for_more(verdict: Path | str) -> int:
    """How many more items a verdict file asks for; 0 for none, for a decision by name, and where there is no file."""
    if not Path(verdict).exists():
        return 0
    found = json.loads(Path(verdict).read_text())
    return 0 if found["override"] else int(found["more"])


def override_for(overrides: Sequence[Override], experiment: str, gate: str) -> Override | None:
    """The decision that a named person took about this gate of this experiment, if any."""
    return next((o for o in overrides if (o.experiment, o.gate) == (experiment, gate)), None)
