"""The gates by name: measurements in, verdict out. No gate imports more than its own judge needs."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path

from gonogo.thresholds import Gates
from gonogo.verdict import Check, Override, Saved, Status, Verdict, decide

# the rule whose measurements each gate judges
MEASURED_BY = {
    "generator": "prepare",
    "quality": "measure_quality",
    "learning": "smoke_train",
    "memory": "trace_memory",
    "launch": "measure_launch",
    "canary": "canary",
    "results": "validate",
}

# in the order in which they are passed; quality is judged twice, on the sample and on the set
ORDER = [
    "generator",
    "quality/sample",
    "quality/dataset",
    "learning",
    "memory",
    "launch",
    "canary",
    "results",
]
SAMPLE = "sample"
# what these judge depends on the mode
BY_MODE = {"memory", "launch", "canary", "results"}

DUMMY_DATA = Check(
    id="dummy_data",
    title="Data",
    value="dummy",
    status=Status.CAUTION,
    why="dummy data: what passes shows that the machinery works, and nothing about the experiment",
)

# each module has `Measurements` (what the measuring stage wrote) and `judge(measurements, thresholds)`
JUDGES = {
    "generator": "gonogo.generator",
    "quality": "gonogo.quality.judge",
    "learning": "gonogo.learning.judge",
    "memory": "gonogo.memory.judge",
    "launch": "gonogo.launch",
    "canary": "gonogo.canary",
    "results": "gonogo.results",
}


def judge(
    gate: str,
    measurements: Sequence[Path],
    thresholds: Gates,
    *,
    experiment: str,
    mode: str = "",
    scope: str = "",
    override: Override | None = None,
    saved: Saved | None = None,
    dummy_data: bool = False,
) -> Verdict:
    """Hold one gate's measurements against its thresholds. Pure: the same files give the same verdict.

    Args:
        measurements: the file that the measuring stage wrote; for quality a folder for each part of the data.
        dummy_data: the data stands in for the real one, so that nothing is GO without saying so.

    Raises:
        UserError: the measurements cannot be read.
    """
    module = importlib.import_module(JUDGES[gate])
    measured = module.Measurements.read(*measurements)
    options = {"sampled": scope == SAMPLE} if gate == "quality" else {}
    judgement = module.judge(measured, getattr(thresholds, gate), **options)
    checks, cause = judgement
    verdict = decide(
        [*([DUMMY_DATA] if dummy_data else []), *checks],
        gate=gate, experiment=experiment, mode=mode, scope=scope, cause=cause,
        measured_at=measured.measured_at, inputs_digest=measured.inputs_digest, saved=saved or Saved(),
        more=getattr(judgement, "more", 0), covered=getattr(judgement, "covered", ""),
    )  # fmt: skip
    if not verdict.status.passes:
        verdict.override = override
    return verdict


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


def saved_by_stopping(forecast: Path) -> Saved:
    """What the paid run would have taken, where it has been forecast."""
    if not forecast.exists():
        return Saved()
    found = json.loads(forecast.read_text())
    if found["hours"] is None:
        return Saved()
    return Saved(seconds=3600 * found["hours"]["mid"], usd=found["usd"]["mid"])
