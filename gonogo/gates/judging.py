"""The gates by name: measurements in, verdict out. No gate imports more than its own judge needs."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path

from gonogo.config.gate_thresholds import Gates
from gonogo.gates.registry import JUDGES, SAMPLE
from gonogo.verdict import Check, Override, Savings, Status, Verdict, decide

DUMMY_DATA = Check(
    id="dummy_data",
    title="Data",
    value="dummy",
    status=Status.CAUTION,
    why="dummy data: what passes shows that the machinery works, and nothing about the experiment",
)


def judge(
    gate: str,
    measurements: Sequence[Path],
    thresholds: Gates,
    *,
    experiment: str,
    mode: str = "",
    scope: str = "",
    override: Override | None = None,
    saved: Savings | None = None,
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
        measured_at=measured.measured_at, inputs_digest=measured.inputs_digest, saved=saved or Savings(),
        more=getattr(judgement, "more", 0), covered=getattr(judgement, "covered", ""),
    )  # fmt: skip
    if not verdict.status.passes:
        verdict.override = override
    return verdict


def saved_by_stopping(forecast: Path) -> Savings:
    """What the paid run would have taken, where it has been forecast."""
    if not forecast.exists():
        return Savings()
    found = json.loads(forecast.read_text())
    if found["hours"] is None:
        return Savings()
    return Savings(seconds=3600 * found["hours"]["mid"], usd=found["usd"]["mid"])
