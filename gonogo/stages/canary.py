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
from gonogo.stages.held_limit import refuse_beyond
from gonogo.stages.local_log import LastLines
from gonogo.stages.machine import machine
from gonogo.stages.machine_bill import on_the_bill
from gonogo.stages.remote_run import canary_options, paid_run, run_key, run_to_end, training_result
from gonogo.training.spec import PHASE, TrainingResult


@on_the_bill
def canary(run: Run, inputs: Any, outputs: Any, params: Any) -> None:
    """Whatever happens to the first steps is a measurement, too.

    None are made beside the paid run itself, nor where it has finished on the machine and nothing is known of its
    canary here: it passed this gate when it was started.
    """
    refuse_beyond(run)
    inputs_digest = InputDigests(run).launch
    with machine(run) as there:
        key, refused = run_key(run.mode, inputs_digest), bool(params.measured_after)
        paid = paid_run(there, run.experiment, key, finished=not refused)
    if paid:
        run.say(f"{paid} was started on the machine already, with this data, code and config: no first steps")
        write_text(outputs.log, "")
        started_file(run.paths, "canary").unlink(missing_ok=True)
        Measurements(
            inputs_digest=inputs_digest,
            measured_after=params.measured_after,
            exit_cause="finished",
            already_started=paid,
        ).write(outputs.measurements)
        return
    memory = MemoryMeasurements.read(inputs.memory)
    forecast = Forecast.model_validate_json(Path(inputs.forecast).read_text())
    log = LastLines()
    hottest_c: float | None = None

    def beat(heartbeat: Heartbeat) -> None:
        nonlocal hottest_c
        if heartbeat.gpu:
            hottest_c = max(heartbeat.gpu.temperature_c, hottest_c or heartbeat.gpu.temperature_c)

    with run.work():
        options = canary_options(run)
        run_dir, ended = run_to_end(run, "canary", inputs_digest, options, on_line=log.add, on_beat=beat)
        started_file(run.paths, "canary").unlink(missing_ok=True)
        result = training_result(run, run_dir)
    run.usd = ended.elapsed_s / 3600 * run.target.usd_per_hour
    write_text(outputs.log, log.text)
    Measurements(
        inputs_digest=inputs_digest,
        measured_after=params.measured_after,
        exit_cause=ended.cause,
        log_tail=log.lines[-5:],
        **(_measured(result) if result else {"last_phase": _last_phase(log.lines)}),
        on_cpu_instead=any(attempt.cpu for attempt in ended.attempts),
        planned_peak_bytes=choose(memory.explored, run.gates.memory).needed_bytes,
        planned_step_s_high=forecast.step_s.high if forecast.step_s else None,
        other_smoke_run=bool(run.experiment_config.smoke.settings or run.experiment_config.smoke.arguments),
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


def _measured(result: TrainingResult) -> dict[str, Any]:
    """What the first steps measured about themselves."""
    return {
        "steps": result.steps,
        "finite": result.finite,
        "first_loss": next(iter(result.train_loss), None),
        "last_loss": next(reversed(result.train_loss), None),
        "step_s": result.median_step_s,
        "peak_memory_bytes": result.peak_memory_bytes,
        "phase_peaks_bytes": result.phase_peaks_bytes,
        "device": result.device,
    }


def _last_phase(lines: list[str]) -> str:
    """What a canary that crashed had begun after its steps."""
    return next((line.removeprefix(PHASE).strip() for line in reversed(lines) if line.startswith(PHASE)), "")
