"""canary: the first steps on the paid machine, measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gonogo.base.files import write_text
from gonogo.base.units import gigabytes
from gonogo.forecast.forecast import Forecast
from gonogo.gates.canary import Measurements
from gonogo.memory.choice import choose
from gonogo.memory.judge import Measurements as MemoryMeasurements
from gonogo.remote.answers import Heartbeat
from gonogo.runtime.context import Run
from gonogo.stages.freshness import InputDigests
from gonogo.stages.held import started_file
from gonogo.stages.local_log import LastLines
from gonogo.stages.remote_run import run_to_end, training_result


def canary(run: Run, inputs: Any, outputs: Any, params: Any) -> None:
    """Whatever happens to the first steps is a measurement, too."""
    memory = MemoryMeasurements.read(inputs.memory)
    forecast = Forecast.model_validate_json(Path(inputs.forecast).read_text())
    log = LastLines()
    hottest_c: float | None = None

    def beat(heartbeat: Heartbeat) -> None:
        nonlocal hottest_c
        if heartbeat.gpu:
            hottest_c = max(heartbeat.gpu.temperature_c, hottest_c or heartbeat.gpu.temperature_c)

    inputs_digest = InputDigests(run).launch
    with run.work():
        steps = ["--max-steps", str(run.gates.canary.steps)]
        run_dir, ended = run_to_end(run, "canary", inputs_digest, steps, on_line=log.add, on_beat=beat)
        started_file(run.paths, "canary").unlink(missing_ok=True)
        result = training_result(run, run_dir)
    run.usd = ended.elapsed_s / 3600 * run.target.usd_per_hour
    write_text(outputs.log, log.text)
    losses = result.train_loss if result else []
    Measurements(
        inputs_digest=inputs_digest,
        measured_after=params.measured_after,
        exit_cause=ended.cause,
        log_tail=log.lines[-5:],
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
        temperature_c=hottest_c,
        evidence=[outputs.log],
    ).write(outputs.measurements)
    if result:
        run.say(f"{result.steps} steps at {result.median_step_s:.3f} s, peak {gigabytes(result.peak_memory_bytes)}")
