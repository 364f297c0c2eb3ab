"""The gates by name: measurements in, verdict out. No gate imports more than its own judge needs."""

from __future__ import annotations

import importlib
import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gonogo.base.errors import UserError
from gonogo.config.gate_thresholds import Gates
from gonogo.gates.registry import SAMPLE, Gate
from gonogo.verdict import Check, Override, Savings, Status, Verdict, decide

THIS_EXPERIMENT = "EXPERIMENT"  # in a hint: the name of the one that is judged
DUMMY_DATA = Check(
    id="dummy_data",
    title="Data",
    value="dummy",
    status=Status.CAUTION,
    why="dummy data: what passes shows that the machinery works, and nothing about the experiment",
)


class Judged(NamedTuple):
    """A verdict, and what the gate's `judge` returned: checks and cause, and what was chosen or seen on the way."""

    verdict: Verdict
    judgement: Any


def measurements(gate: Gate, paths: Sequence[Path]) -> Any:
    """What a gate judges.

    Args:
        paths: the file that the measuring stage wrote; for quality a folder for each part of the data.

    Raises:
        UserError: it cannot be read.
    """
    of_script = gate.of_scripts and "script" in json.loads(paths[0].read_text())
    return importlib.import_module(gate.of_scripts if of_script else gate.module).Measurements.read(*paths)


def judge(
    gate: Gate,
    measured: Any,
    thresholds: Gates,
    *,
    experiment: str,
    mode: str = "",
    override: Override | None = None,
    saved: Savings | None = None,
    dummy_data: bool = False,
    each: Callable[[Any], None] | None = None,
) -> Judged:
    """Hold one gate's measurements against its thresholds. Pure: the same files give the same verdict.

    Args:
        dummy_data: the data stands in for the real one, so that nothing is GO without saying so.
        each: called with every item's finding, by the quality gate.
    """
    options: dict[str, Any] = {"sampled": gate.scope == SAMPLE} if gate.scope else {}
    options |= {"each": each} if each else {}
    of_script = type(measured).__module__ == gate.of_scripts
    module = importlib.import_module(gate.of_scripts if of_script else gate.module)
    judgement = module.judge(measured, getattr(thresholds, gate.name), **options)
    checks, cause = judgement
    for check in checks:
        check.hint = check.hint.replace(THIS_EXPERIMENT, shlex.quote(experiment))
    verdict = decide(
        [*([DUMMY_DATA] if dummy_data else []), *checks],
        gate=gate.name, experiment=experiment, mode=mode, scope=gate.scope, cause=cause,
        measured_at=measured.measured_at, inputs_digest=measured.inputs_digest, saved=saved or Savings(),
        more=getattr(judgement, "more", 0), covered=getattr(judgement, "covered", ""),
    )  # fmt: skip
    if not verdict.status.passes:
        verdict.override = override
    return Judged(verdict, judgement)


def measured_after(gate: Gate, folder: Path, thresholds: Gates, override: Override | None) -> str:
    """Which earlier measurements of a machine, by their time, new ones are to replace; empty for none.

    Those that stopped the work, and would again by these thresholds. A fix of the machine cannot be seen in any input,
    so another invocation measures it again; what passed keeps the value that it was measured with, and is kept.
    """
    path, judged = folder / "measurements.json", folder / "verdict.json"
    if not path.exists():
        return ""
    try:
        measured = measurements(gate, [path])
        if judged.exists() and not Verdict.read(judged).go:
            again, _ = judge(gate, measured, thresholds, experiment="", override=override)
            if not again.go:
                return str(measured.measured_at.isoformat())
    except (ValueError, UserError):
        return "unreadable"
    return str(measured.measured_after)


def saved_by_stopping(gate: Gate, forecast: Path) -> Savings:
    """What the paid run would have taken, where it has been forecast; nothing once it is over."""
    if gate.name == "results":
        return Savings(seconds=0, usd=0)
    if not forecast.exists():
        return Savings()
    found = json.loads(forecast.read_text())
    if found["hours"] is None:
        return Savings()
    return Savings(seconds=3600 * found["hours"]["mid"], usd=found["usd"]["mid"])
