"""The canary gate: do the first steps on the paid machine keep what the plan promised?"""

from __future__ import annotations

from pydantic import Field

from gonogo.config import CanaryGate
from gonogo.measured import Measured
from gonogo.units import gigabytes
from gonogo.verdict import Check, Status


class Measurements(Measured):
    exit_cause: str = Field(description="how the canary's process ended, as the agent saw it")
    log_tail: list[str] = Field(default_factory=list)
    steps: int = 0
    finite: bool = False
    first_loss: float | None = None
    last_loss: float | None = None
    step_s: float | None = Field(None, description="median, on the paid machine")
    peak_memory_bytes: int | None = None
    device: str = ""
    planned_peak_bytes: int | None = None
    planned_step_s_high: float | None = None


def judge(measured: Measurements, gate: CanaryGate) -> tuple[list[Check], str]:
    ran = Check(
        id="ran", title=f"First steps on the machine ({measured.device or 'device unknown'})", value=measured.steps, unit="steps",
        threshold=f"{gate.steps} steps, no crash",
        status=Status.GO if measured.exit_cause == "finished" and measured.steps >= gate.steps else Status.NO_GO,
    )  # fmt: skip
    if ran.status is Status.NO_GO:
        tail = measured.log_tail[-1] if measured.log_tail else "no output"
        ran.why = f"the canary ended as '{measured.exit_cause}' after {measured.steps} steps; its last line: {tail}"
        ran.hint = "Read the canary's log (evidence). Nothing but the canary's minute was paid for."
        return [ran], "MACHINE"
    checks = [ran, _finite(measured), _memory(measured, gate), _speed(measured, gate)]
    return checks, "MACHINE" if any(not check.status.passes for check in checks) else ""


def _finite(m: Measurements) -> Check:
    return Check(
        id="finite", title="Loss of the first steps", value=m.last_loss, threshold="a number",
        status=Status.GO if m.finite else Status.NO_GO,
        why="" if m.finite else "the loss is not a number on this machine, though it was in the smoke run",
        hint="" if m.finite else "Compare precision and library versions of the two machines.",
    )  # fmt: skip


def _memory(m: Measurements, gate: CanaryGate) -> Check:
    title = "Peak memory, measured against planned"
    if m.peak_memory_bytes is None or m.planned_peak_bytes is None:
        return Check(id="memory", title=title, status=Status.UNKNOWN, why="peak memory was not measured")
    ratio = m.peak_memory_bytes / m.planned_peak_bytes
    good = ratio <= gate.max_memory_over_plan
    plan = f"{gigabytes(m.peak_memory_bytes)} measured, {gigabytes(m.planned_peak_bytes)} planned"
    return Check(
        id="memory", title=title, value=round(ratio, 2), unit="x", threshold=f"<= {gate.max_memory_over_plan:g}",
        status=Status.GO if good else Status.NO_GO, why="" if good else f"the plan was wrong: {plan}",
        hint="" if good else "Trace again with this machine's figures, or take the next smaller micro-batch.",
    )  # fmt: skip


def _speed(m: Measurements, gate: CanaryGate) -> Check:
    title = "Seconds a step against the forecast's upper bound"
    if m.step_s is None or m.planned_step_s_high is None:
        return Check(id="speed", title=title, status=Status.UNKNOWN, why="step time was not measured or not forecast")
    ratio = m.step_s / m.planned_step_s_high
    good = ratio <= gate.max_slowdown
    return Check(
        id="speed", title=title, value=round(ratio, 2), unit="x", threshold=f"<= {gate.max_slowdown:g}",
        status=Status.GO if good else Status.NO_GO,
        why="" if good else f"{m.step_s:.3f} s a step here, {m.planned_step_s_high:.3f} s expected at most: the run would cost {ratio:.1f} times the forecast",
        hint="" if good else "Check that the accelerator is used, and not shared; then forecast again.",
    )  # fmt: skip
