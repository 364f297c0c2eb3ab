"""The gates by name: measurements in, verdict out. No gate imports more than its own judge needs."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class Outcome:
    """A verdict, and the judgement that it was made of.

    Attributes:
        judgement: as the gate's module returned it: unpacks as (checks, cause), and holds what pictures and documents
            are drawn from, so that nothing is judged twice.
    """

    verdict: Verdict
    judgement: Any


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
    each: Callable[[Any], None] | None = None,
) -> Outcome:
    """Hold one gate's measurements against its thresholds. Pure: the same files give the same verdict.

    Args:
        measurements: the file that the measuring stage wrote; for quality a folder for each part of the data.
        dummy_data: the data stands in for the real one, so that nothing is GO without saying so.
        each: of quality, called with every item's finding while the set is judged.

    Raises:
        UserError: the measurements cannot be read.
    """
    module = importlib.import_module(JUDGES[gate])
    measured = module.Measurements.read(*measurements)
    options: dict[str, Any] = {"sampled": scope == SAMPLE} if gate == "quality" else {}
    if each:
        options["each"] = each
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
    return Outcome(verdict, judgement)


def saved_by_stopping(forecast: Path) -> Savings:
    """What the paid run would have taken, where it has been forecast."""
    if not forecast.exists():
        return Savings()
    found = json.loads(forecast.read_text())
    if found["hours"] is None:
        return Savings()
    return Savings(seconds=3600 * found["hours"]["mid"], usd=found["usd"]["mid"])
