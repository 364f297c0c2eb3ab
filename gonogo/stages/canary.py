"""canary: the first steps on the paid machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gonogo.base.files import write_text
from gonogo.base.units import gigabytes
from gonogo.forecast.forecast import Forecast
from gonogo.gates.canary import Measurements as CanaryMeasurements
from gonogo.memory.choice import choose
from gonogo.memory.judge import Measurements as MemoryMeasurements
from gonogo.remote.answers import Heartbeat
from gonogo.runtime.context import Run
from gonogo.stages.cloud_train import _result, _run_to_end, _state_file
from gonogo.stages.measure_launch import launch_digest


def run_canary(run: Run, inputs: Any, outputs: Any) -> None:
    """The first steps, measured; whatever happens to them is a measurement, too."""
    steps = run.gates.canary.steps
    memory = MemoryMeasurements.read(inputs.memory)
    forecast = Forecast.model_validate_json(Path(inputs.forecast).read_text())
    lines: list[str] = []
    warm: list[float] = []

    def beat(heartbeat: Heartbeat) -> None:
        if heartbeat.gpu:
            warm.append(heartbeat.gpu.temperature_c)

    with run.work():
        run_dir, ended = _run_to_end(run, "canary", ["--max-steps", str(steps)], lines.append, beat)
        _state_file(run, "canary").unlink(missing_ok=True)
        result = _result(run, run_dir)
    run.usd = ended.elapsed_s / 3600 * run.target.usd_per_hour
    write_text(outputs.log, "\n".join(lines) + "\n")
    losses = result.train_loss if result else []
    CanaryMeasurements(
        inputs_digest=launch_digest(run),
        exit_cause=ended.cause,
        log_tail=lines[-5:],
        steps=result.steps if result else 0,
        finite=bool(result and result.finite),
        first_loss=losses[0] if losses else None,
        last_loss=losses[-1] if losses else None,
        step_s=result.median_step_s if result else None,
        peak_memory_bytes=result.peak_memory_bytes if result else None,
        device=result.device if result else "",
        on_cpu_instead=any(attempt.cpu for attempt in ended.attempts),
        planned_peak_bytes=choose(memory.explored, run.gates.memory).needed_bytes,
        planned_step_s_high=forecast.step_s.high,
        planned_steps=forecast.steps,
        other_hours=forecast.setup_hours.mid + forecast.around_hours.mid,
        usd_per_hour=run.target.usd_per_hour,
        budget_usd=run.config.budget_usd,
        max_hours=run.target.max_hours,
        temperature_c=max(warm, default=None),
        evidence=[outputs.log],
    ).write(outputs.measurements)
    if result:
        run.say(f"{result.steps} steps at {result.median_step_s:.3f} s, peak {gigabytes(result.peak_memory_bytes)}")
