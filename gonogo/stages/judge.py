"""Judge a gate, and write what it shows beside its verdict: a contact sheet, a table, the preflight checklist."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonogo.base.files import walk, write_text
from gonogo.gates import judging, standing
from gonogo.gates.judging import Outcome
from gonogo.report.quick_adjustments import adjustments
from gonogo.runtime.context import Run
from gonogo.stages.standing import earlier_verdicts, rerun_command
from gonogo.verdict import Verdict

if TYPE_CHECKING:
    from gonogo.quality.outputs import OutputWriter


def judge(run: Run, gate: str, scope: str, measurements: Sequence[Path], outputs: Any) -> Verdict:
    """A gate's verdict, with its pictures and documents written to the outputs that its rule names as evidence."""
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(_quality_outputs(run, measurements, outputs)) if gate == "quality" else None
        outcome = judging.judge(
            gate,
            measurements,
            run.gates,
            experiment=run.experiment,
            mode=run.mode,
            scope=scope,
            override=standing.override_for(run.config.overrides, run.experiment, gate),
            dummy_data=run.experiment_config.dummy_data,
            saved=judging.saved_by_stopping(run.results / run.mode / "forecast" / "forecast.json"),
            each=writer.add if writer else None,
        )
        if writer:
            writer.draw(outcome.judgement)
            _add_evidence(outcome.verdict, outputs.contact_sheet, outputs.table, outputs.distributions)
    draw = {"memory": _memory, "results": _results, "launch": _launch}.get(gate)
    if draw is not None:
        draw(outcome, run, measurements, outputs)
    return outcome.verdict


def _quality_outputs(
    run: Run, measurements: Sequence[Path], outputs: Any
) -> contextlib.AbstractContextManager[OutputWriter]:
    from gonogo.quality.judge import Measurements
    from gonogo.quality.outputs import Outputs, writing_outputs

    files = Outputs(Path(outputs.table), Path(outputs.distributions), Path(outputs.contact_sheet))
    return writing_outputs(Measurements.read(*measurements), run.gates.quality, files)


def _memory(outcome: Outcome, run: Run, measurements: Sequence[Path], outputs: Any) -> None:
    from gonogo.memory.judge import Measurements
    from gonogo.memory.plan import plan_from
    from gonogo.report.memory_plan import memory_plan

    measured = Measurements.read(*measurements)
    plan = plan_from(measured.explored, measured.accelerator, run.gates.memory)
    write_text(outputs.training, plan.training.model_dump_json(indent=1) + "\n")
    write_text(outputs.plan, plan.model_dump_json(indent=1) + "\n")
    write_text(outputs.document, memory_plan(plan, run.experiment, run.mode, run.gates.memory))
    _add_evidence(outcome.verdict, outputs.document)


def _results(outcome: Outcome, run: Run, measurements: Sequence[Path], outputs: Any) -> None:
    from gonogo.gates.results import Measurements
    from gonogo.quality.measured_set import MeasuredSet
    from gonogo.quality.outputs import draw_sheet

    predictions = MeasuredSet.read(Measurements.read(*measurements).pictures)
    draw_sheet(predictions, outcome.judgement.predictions, Path(outputs.contact_sheet))
    _add_evidence(outcome.verdict, outputs.contact_sheet)


def _launch(outcome: Outcome, run: Run, measurements: Sequence[Path], outputs: Any) -> None:
    from gonogo.report.preflight import preflight

    write_text(outputs.preflight, preflight([*earlier_verdicts(run, "launch"), outcome.verdict], _preflight_facts(run)))
    _add_evidence(outcome.verdict, outputs.preflight)


def _add_evidence(verdict: Verdict, *paths: str) -> None:
    """The files that show it, with every check that does not pass."""
    for check in verdict.failed:
        check.evidence = [*(str(path) for path in paths), *check.evidence]


def _preflight_facts(run: Run) -> Any:
    from gonogo.forecast.forecast import Forecast, forecast
    from gonogo.forecast.speed import Speed
    from gonogo.gates.launch import Measurements
    from gonogo.memory.plan import Plan
    from gonogo.report.preflight import CommandToRun, Mode, PreflightFacts

    folder = run.results / run.mode
    launch = Measurements.read(folder / "launch" / "measurements.json")
    memory = Plan.model_validate_json((folder / "memory" / "plan.json").read_text())
    planned = Forecast.model_validate_json((folder / "forecast" / "forecast.json").read_text())
    speed = Speed.model_validate_json((run.results / "learning" / "speed.json").read_text())
    beside = [stage for stage in planned.stages if stage.stage != "cloud_train"]
    other_model = bool(run.experiment_config.smoke.settings)
    modes = []
    for name, mode in run.experiment_config.modes.items():
        training = run.settings.training(run.experiment, name)
        found = forecast(speed, training, run.target, run.settings.accelerator, other_model=other_model, stages=beside)
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
    approval = launch.approval
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
        upload_bytes=sum(file.stat().st_size for shard in run.shards for file in walk(shard)),
        stages=planned.stages,
        items=launch.items,
        modes=modes,
        components_bytes=memory.components_bytes,
        peak_bytes=memory.needed_bytes,
        capacity_bytes=memory.capacity_bytes,
        expected_statement=launch.expected_statement,
        issues=run.experiment_config.issues,
        research=run.experiment_config.research,
        expected_metrics=run.experiment_config.expected.metrics,
        adjustments=adjustments(run.training, run.settings.accelerator),
        approval=f"{approval.by}, {approval.approved_at}" if approval else "",
        launch=[CommandToRun(does="start, or take up again", command=rerun_command(run))],
        monitor=[
            CommandToRun(does="follow the run's log", command=f"tail -f {folder / 'cloud_train' / 'log.txt'}"),
            CommandToRun(
                does="where the time went, once an invocation has ended",
                command=f"cat {run.config.results_dir / 'timing.json'}",
            ),
        ],
    )
