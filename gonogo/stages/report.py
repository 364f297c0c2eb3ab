"""report: a finished run on one page, gathered from what its stages left."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.base.files import write_text
from gonogo.config.result_paths import ResultPaths
from gonogo.forecast.forecast import Forecast
from gonogo.gates import registry, standing
from gonogo.gates.results import Measurements
from gonogo.report.run_report import Leg, Metric, ReportPicture, RunFacts, run_report
from gonogo.report.timing import timings
from gonogo.runtime import ledger
from gonogo.runtime.context import Run
from gonogo.stages.kept_files import stored_folders
from gonogo.stages.page import write_page
from gonogo.stages.tell import reported
from gonogo.training.spec import TrainingResult
from gonogo.verdict import Verdict


def report(run: Run, inputs: Any, outputs: Any) -> None:
    """The whole run: as Markdown, and as the experiment's page, which stands alone, its pictures embedded."""
    folder = Path(outputs.html).parent
    facts = run_facts(run, folder)
    page = run_report(facts)
    write_text(outputs.markdown, page)
    shown = write_page(run.settings, run.experiment)
    shutil.copyfile(shown, outputs.html)
    run.say(f"{facts.status.label}: {shown}")
    reported(run, Verdict.read(run.paths.results / "verdict.json"), shown)


def run_facts(run: Run, folder: Path) -> RunFacts:
    paths = run.paths
    results = Measurements.read(paths.results / "measurements.json")
    planned = Forecast.model_validate_json(paths.forecast.read_text())
    paid = _json(paths.paid_run)
    before = earlier_run(run)
    known = before.results.metrics if before else {}
    asked = run.gates.results.metrics if results.is_result else {}
    baselines = run.experiment_config.expected.baselines
    rows = ledger.rows(run.ledger_path, experiment=run.experiment)
    return RunFacts(
        experiment=run.experiment,
        mode=run.mode,
        target=run.config.target,
        date=dt.datetime.now(dt.UTC),
        verdicts=standing.verdicts(paths.experiment, paths.mode),
        expected_statement=run.experiment_config.expected.statement,
        metrics=[
            Metric(
                name=name,
                least=asked.get(name),
                obtained=results.metrics.get(name),
                baseline=baselines.get(name),
                earlier=known.get(name),
            )
            for name in dict.fromkeys([*asked, *results.metrics])
        ],
        earlier=before.name if before else "",
        legs=_legs(run, paid, before),
        forecast_hours=planned.hours,
        forecast_usd=planned.usd,
        actual_hours=paid["hours"],
        actual_usd=paid["usd"],
        archive=_json(paths.archive)["folder"],
        pictures=_pictures(paths, folder),
        stages=timings(rows),
        storage=stored_folders(run, rows),
        billed_usd=sum(row.usd for row in rows),
        wasted_usd=ledger.wasted_usd(rows),
    )


@dataclass(frozen=True)
class EarlierRun:
    """A run of the same experiment in another mode, as its stages left it."""

    mode: str
    results: Measurements
    paid: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.mode}, {self.results.measured_at:%Y-%m-%d}"


def earlier_run(run: Run) -> EarlierRun | None:
    """The latest that was brought to its results in a mode of fewer epochs."""
    epochs = {mode: run.settings.training(run.experiment, mode).epochs for mode in run.experiment_config.modes}
    found = []
    for mode in (mode for mode in epochs if epochs[mode] < epochs[run.mode]):
        paths = run.settings.paths(run.experiment, mode)
        results = paths.results / "measurements.json"
        if results.exists() and paths.paid_run.exists():
            found.append(EarlierRun(mode, Measurements.read(results), _json(paths.paid_run)))
    return max(found, key=lambda run: run.results.measured_at, default=None)


def _legs(run: Run, paid: dict[str, Any], before: EarlierRun | None) -> list[Leg]:
    """The smoke run, an earlier run, and the paid run."""
    smoke = TrainingResult.model_validate_json((run.paths.smoke_train / "training.json").read_text())
    own = run.experiment_config.training.effective_batch_size
    legs = [_leg("smoke run, local", smoke, own, smoke.wall_s / 3600, 0.0)]
    if before is not None:
        batch = run.settings.training(run.experiment, before.mode).effective_batch_size
        legs.append(_paid(f"{before.mode}, {before.paid['target']}", before.paid, batch))
    return [*legs, _paid(f"{run.mode}, {run.config.target}", paid, run.training.effective_batch_size)]


def _paid(name: str, paid: dict[str, Any], batch: int) -> Leg:
    return _leg(name, TrainingResult.model_validate(paid["result"]), batch, paid["hours"], paid["usd"])


def _leg(name: str, result: TrainingResult, batch: int, hours: float, usd: float) -> Leg:
    loss = result.val_loss[-1] if result.val_loss else None
    return Leg(
        name=name, device=result.device, batch=batch, steps=result.steps, step_s=result.median_step_s, loss=loss,
        hours=hours, usd=usd,
    )  # fmt: skip


def _pictures(paths: ResultPaths, folder: Path) -> list[ReportPicture]:
    sample = standing.latest(registry.gate("quality/sample"), paths.experiment, paths.mode)
    shown = [
        (sample / "contact_sheet.png", "The sample"),
        (paths.loss_curve, "The smoke run's loss, with what trivial answers would score"),
        (paths.results / "contact_sheet.png", "Predictions for held-out items"),
    ]
    return [
        ReportPicture(path=os.path.relpath(path, folder), caption=caption) for path, caption in shown if path.exists()
    ]


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())
