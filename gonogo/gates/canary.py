"""The canary gate: do the first steps on the paid machine keep what the plan promised?"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from gonogo.base.known_errors import hint_for
from gonogo.base.units import gigabytes
from gonogo.config.device_choice import SLOWER
from gonogo.config.gate_thresholds import CanaryGate
from gonogo.measurements import Measured
from gonogo.verdict import Check, Status, threshold_check

SHORT_RUN = 0.9  # of the steps that are planned


class Measurements(Measured):
    measured_after: str = Field("", description="time of the measurements that did not pass, which these replace")
    already_started: str = Field("", description="the paid run, which is at work or has finished: no first steps")
    exit_cause: str = Field(description="how the canary's process ended, as the agent saw it")
    log_tail: list[str] = Field(default_factory=list)
    steps: int = 0
    finite: bool = False
    first_loss: float | None = None
    last_loss: float | None = None
    step_s: float | None = Field(None, description="median, on the paid machine")
    peak_memory_bytes: int | None = None
    phase_peaks_bytes: dict[str, int] = Field(
        default_factory=dict, description="phase (steps, validation, …) → the highest use of memory up to its end"
    )
    last_phase: str = Field("", description="of a canary that crashed beyond its steps: where")
    device: str = ""
    planned_peak_bytes: int | None = None
    planned_step_s_high: float | None = None
    other_smoke_run: bool = Field(
        False, description="it had settings or arguments of its own: its speed is not this one's"
    )
    on_cpu_instead: bool = Field(False, description="the device aborted, and a processor took its place")
    planned_steps: int | None = Field(None, description="of the whole run")
    other_hours: float = Field(0.0, description="of the whole run, those that are no step: setup, start, validation")
    usd_per_hour: float = 0.0
    budget_usd: float | None = None
    max_hours: float | None = None
    temperature_c: float | None = Field(None, description="of the GPU, the highest seen")

    @property
    def hours(self) -> float | None:
        """Of the whole run at the pace that was measured; this replaces the forecast."""
        if self.planned_steps is None or self.step_s is None:
            return None
        return self.other_hours + self.planned_steps * self.step_s / 3600


def judge(measured: Measurements, gate: CanaryGate) -> tuple[list[Check], str]:
    if measured.already_started:
        return [_already_started(measured)], ""
    checks = [_ran(measured, gate)]
    if checks[0].status.passes:
        checks.append(_finite(measured))
        checks += [_fallback()] if measured.on_cpu_instead else [_memory(measured, gate), _speed(measured, gate)]
        checks += [_cost(measured)] if measured.hours is not None else []
        checks += [_temperature(measured, gate)] if measured.temperature_c is not None else []
    return checks, "MACHINE" if any(not check.status.passes for check in checks) else ""


def _already_started(m: Measurements) -> Check:
    return Check(
        id="already_started",
        title="The paid run itself, on the machine",
        value=m.already_started,
        status=Status.CAUTION,
        why="it was started before, with this data, code and config, and passed this gate then: no first steps were "
        "made beside it, and it is attached to",
    )


def _fallback() -> Check:
    """The plan was for the device; what a processor does is not held against it."""
    return Check(
        id="fallback",
        title="Device that trains",
        value="CPU",
        status=Status.CAUTION,
        why=f"the device aborted the first steps, and the CPU took them up: {SLOWER}",
        hint="Set device: cpu in the target, so that the device is not tried again.",
    )


def _ran(m: Measurements, gate: CanaryGate) -> Check:
    tail = m.log_tail[-1] if m.log_tail else "no output"
    # a whole run may be shorter than a canary, and leave out an incomplete last batch of each epoch
    steps = gate.steps if m.planned_steps is None else min(gate.steps, max(1, int(SHORT_RUN * m.planned_steps)))
    return threshold_check(
        "ran",
        f"First steps on the machine ({m.device or 'device unknown'})",
        m.steps,
        f"{steps} steps, no crash",
        m.exit_cause == "finished" and m.steps >= steps,
        unit="steps",
        why=f"the canary ended as '{m.exit_cause}' "
        + (f"in phase {m.last_phase}" if m.last_phase else f"after {m.steps} steps")
        + f"; its last line: {tail}",
        hint=" ".join(filter(None, [_known(m.log_tail), "The canary's log is among the evidence."])),
    )


def _known(lines: Sequence[str]) -> str:
    """What helps against the error that a log ends with."""
    return next(filter(None, map(hint_for, reversed(lines))), "")


def _finite(m: Measurements) -> Check:
    return threshold_check(
        "finite",
        "Loss of the first steps",
        m.last_loss,
        "a number",
        m.finite,
        why="the loss is not a number on this machine, though it was in the smoke run",
        hint="Compare precision and library versions of the two machines.",
    )


def _memory(m: Measurements, gate: CanaryGate) -> Check:
    title = "Peak memory in each phase, measured against planned"
    if m.peak_memory_bytes is None or m.planned_peak_bytes is None:
        return threshold_check("memory", title, None, "measured", None, why="peak memory was not measured")
    allowed = gate.max_memory_over_plan * m.planned_peak_bytes
    above = next((phase for phase, peak in m.phase_peaks_bytes.items() if peak > allowed), "")
    peak = m.phase_peaks_bytes[above] if above else max(m.peak_memory_bytes, *m.phase_peaks_bytes.values(), 0)
    ratio = peak / m.planned_peak_bytes
    return threshold_check(
        "memory",
        title,
        round(ratio, 2),
        f"<= {gate.max_memory_over_plan:g}",
        ratio <= gate.max_memory_over_plan,
        unit="x",
        why=f"the plan was wrong: {gigabytes(peak)} measured{f' in phase {above}' if above else ''}, "
        f"{gigabytes(m.planned_peak_bytes)} planned",
        hint="Take smaller batches for validation, or keep less of it."
        if above in ("validation", "prediction")
        else "Trace again with this machine's figures, or take the next smaller micro-batch.",
    )


def _speed(m: Measurements, gate: CanaryGate) -> Check:
    title = "Seconds a step against the forecast's upper bound"
    if m.other_smoke_run and m.step_s is not None:
        why = f"{m.step_s:.3f} s a step here; the smoke run had settings or arguments of its own, and another speed"
        return Check(id="speed", title=title, value=m.step_s, unit="s a step", status=Status.CAUTION, why=why)
    if m.step_s is None or m.planned_step_s_high is None:
        return threshold_check("speed", title, None, "measured", None, why="step time was not measured or not forecast")
    ratio = m.step_s / m.planned_step_s_high
    return threshold_check(
        "speed",
        title,
        round(ratio, 2),
        f"<= {gate.max_slowdown:g}",
        ratio <= gate.max_slowdown,
        unit="x",
        why=(
            f"{m.step_s:.3f} s a step here, {m.planned_step_s_high:.3f} s expected at most: "
            f"the run would cost {ratio:.1f} times the forecast"
        ),
        hint="Check that the accelerator is used, and not shared; then forecast again.",
    )


def _cost(m: Measurements) -> Check:
    assert m.hours is not None
    usd = m.hours * m.usd_per_hour
    in_budget = m.budget_usd is None or usd <= m.budget_usd
    return threshold_check(
        "cost",
        "The whole run at the pace measured here",
        round(m.hours, 3),
        f"<= {m.max_hours:g} h and {m.budget_usd:.2f} USD" if m.max_hours and m.budget_usd is not None else "no limit",
        in_budget and (m.max_hours is None or m.hours <= m.max_hours),
        unit="h",
        why=f"{m.planned_steps} steps at {m.step_s:.3f} s are {m.hours:.2f} h and ${usd:.2f}",
        hint="Choose a shorter mode, or raise budget_usd or the target's max_hours.",
    )


def _temperature(m: Measurements, gate: CanaryGate) -> Check:
    return threshold_check(
        "temperature",
        "Temperature of the GPU",
        m.temperature_c,
        f"<= {gate.max_temperature_c:g}",
        (m.temperature_c or 0.0) <= gate.max_temperature_c,
        unit="°C",
        why=f"{m.temperature_c:g} °C in the first steps: the card will slow itself down",
        hint="Take another machine; this one is not cooled well.",
    )
