"""The gates by name: measurements in, verdict out. No gate imports more than its own judge needs."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path

from gonogo.config import Gates
from gonogo.verdict import Override, Saved, Verdict, decide

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
# what these judge depends on the mode
BY_MODE = {"memory", "launch", "canary", "results"}

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
    measurements: Path,
    thresholds: Gates,
    *,
    experiment: str,
    mode: str = "",
    scope: str = "",
    override: Override | None = None,
    saved: Saved | None = None,
) -> Verdict:
    """Hold one gate's measurements against its thresholds. Pure: the same files give the same verdict.

    Raises:
        UserError: the measurements cannot be read.
    """
    module = importlib.import_module(JUDGES[gate])
    measured = module.Measurements.read(measurements)
    checks, cause = module.judge(measured, getattr(thresholds, gate))
    verdict = decide(
        checks, gate=gate, experiment=experiment, mode=mode, scope=scope, cause=cause,
        measured_at=measured.measured_at, inputs_digest=measured.inputs_digest, saved=saved or Saved(),
    )  # fmt: skip
    if not verdict.status.passes:
        verdict.override = override
    return verdict


def folder(gate: str, experiment: Path | str, mode: str) -> Path:
    """Where a gate of `ORDER` keeps its measurements, verdict and token, below the experiment's results."""
    return Path(experiment, mode, gate) if gate in BY_MODE else Path(experiment, gate)


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
