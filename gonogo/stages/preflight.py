"""The preflight checklist of the launch gate, gathered from what earlier stages left."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from gonogo.base.commands import rerun_command
from gonogo.base.files import write_text
from gonogo.forecast.forecast import Forecast
from gonogo.forecast.speed import Speed
from gonogo.gates import standing
from gonogo.gates.launch import Measurements
from gonogo.memory.judge import Measurements as MemoryMeasurements
from gonogo.memory.plan import Plan
from gonogo.report.preflight import CommandToRun, Mode, PreflightFacts, preflight
from gonogo.report.quick_adjustments import adjustments
from gonogo.report.success_criteria import criteria
from gonogo.runtime.context import Run
from gonogo.stages.forecast import forecast_of
from gonogo.stages.monitoring import monitoring
from gonogo.stages.sent_parts import sent_bytes
from gonogo.verdict import Verdict


def write_preflight(run: Run, verdict: Verdict, launch: Measurements, out: Path | str) -> None:
    """The checklist in Markdown, with the launch gate's verdict and those before it."""
    earlier = standing.verdicts(run.paths.experiment, run.mode, before="launch")
    write_text(out, preflight([*earlier, verdict], _facts(run, launch)))


def _facts(run: Run, launch: Measurements) -> PreflightFacts:
    planned = Forecast.model_validate_json(run.paths.forecast.read_text())
    memory = Plan.model_validate_json(run.paths.memory_plan.read_text())
    approval = launch.approval
    start = rerun_command(experiments=run.experiment, mode=run.mode, target=run.config.target)
    return PreflightFacts(
        experiment=run.experiment,
        mode=run.mode,
        target=run.config.target,
        accelerator=run.settings.accelerator.title,
        date=dt.datetime.now(dt.UTC),
        usd_per_hour=launch.usd_per_hour,
        hours=planned.hours,
        usd=planned.usd,
        forecast_basis=planned.basis,
        setup_hours=planned.setup_hours.mid,
        budget_usd=launch.budget_usd,
        budget_buffer=run.gates.launch.budget_buffer,
        upload_bytes=sent_bytes(run),
        stages=planned.stages,
        items=launch.items,
        modes=_modes(run, planned),
        components_bytes=memory.components_bytes,
        peak_bytes=memory.needed_bytes,
        capacity_bytes=memory.capacity_bytes,
        expected_statement=launch.expected_statement,
        issues=run.experiment_config.issues,
        research=run.experiment_config.research,
        expected_metrics=run.experiment_config.expected.metrics,
        adjustments=adjustments(run.training, run.settings.accelerator),
        criteria=[criterion.box for criterion in criteria(run.paths.cloud_train / "not run yet")],
        approval=f"{approval.by}, {approval.approved_at}" if approval else "",
        launch=[CommandToRun(does="start, or resume", command=start)],
        monitor=monitoring(run),
    )


def _modes(run: Run, planned: Forecast) -> list[Mode]:
    """Each mode of the experiment with its own forecast."""
    speed = Speed.model_validate_json(run.paths.speed.read_text())
    beside = [stage for stage in planned.stages if stage.stage != "cloud_train"]
    script = MemoryMeasurements.read(run.paths.memory_plan.with_name("measurements.json")).explored.run
    modes = []
    for name, mode in run.experiment_config.modes.items():
        training = run.settings.training(run.experiment, name)
        found = forecast_of(run, speed, script, training, beside)
        modes.append(
            Mode(
                name=name,
                epochs=training.epochs,
                batch=training.effective_batch_size,
                when=mode.when,
                hours=found.hours.mid if found.hours else None,
                usd=found.usd.mid if found.usd else None,
                recommended=mode.recommended,
            )
        )
    return modes
