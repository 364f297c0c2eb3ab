"""The report of a finished run, gathered from what its stages left."""

from __future__ import annotations

import datetime as dt
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.base.files import write_text
from gonogo.forecast.forecast import Forecast
from gonogo.gates import standing
from gonogo.gates.results import Measurements
from gonogo.report.run_report import Leg, Metric, ReportPicture, RunFacts, run_report, run_report_html
from gonogo.runtime.context import Run
from gonogo.stages.standing import costs, earlier_verdicts, timings
from gonogo.training.spec import TrainingResult


def write_report(run: Run, markdown: str, html: str) -> None:
    """Write the report as Markdown and as a page that stands alone."""
    facts = run_facts(run, Path(html).parent)
    write_text(markdown, run_report(facts))
    write_text(html, run_report_html(facts, Path(html).parent))
    run.say(f"{facts.status.label}: {html}")


def run_facts(run: Run, folder: Path) -> RunFacts:
    by_mode = run.results / run.mode
    results = Measurements.read(by_mode / "results" / "measurements.json")
    planned = Forecast.model_validate_json((by_mode / "forecast" / "forecast.json").read_text())
    paid = _json(by_mode / "cloud_train" / "run.json")
    before = earlier_run(run)
    known = before.results.metrics if before else {}
    asked = run.gates.results.metrics if results.is_result else {}
    baselines = run.experiment_config.expected.baselines
    return RunFacts(
        experiment=run.experiment,
        mode=run.mode,
        target=run.config.target,
        date=dt.datetime.now(dt.UTC),
        verdicts=earlier_verdicts(run),
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
        archive=_json(by_mode / "download" / "archive.json")["folder"],
        pictures=_pictures(run, folder),
        stages=timings(costs(run)),
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
        results, paid = (run.results / mode / part for part in ("results/measurements.json", "cloud_train/run.json"))
        if results.exists() and paid.exists():
            found.append(EarlierRun(mode, Measurements.read(results), _json(paid)))
    return max(found, key=lambda one: one.results.measured_at, default=None)


def _legs(run: Run, paid: dict[str, Any], before: EarlierRun | None) -> list[Leg]:
    """The rehearsal here, an earlier run, and the run there."""
    here = TrainingResult.model_validate_json((run.results / "smoke_train" / "training.json").read_text())
    own = run.experiment_config.training.effective_batch_size
    legs = [_leg("smoke run, here", here, own, here.wall_s / 3600, 0.0)]
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


def _pictures(run: Run, folder: Path) -> list[ReportPicture]:
    shown = [
        (
            standing.latest("quality/sample", run.results, run.mode) / "contact_sheet.png",
            "The sample",
        ),
        (
            run.results / "learning" / "loss_curve.png",
            "The smoke run's loss, with what trivial answers would score",
        ),
        (run.results / run.mode / "results" / "contact_sheet.png", "Predictions for held-out items"),
    ]
    return [
        ReportPicture(path=os.path.relpath(path, folder), caption=caption) for path, caption in shown if path.exists()
    ]


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())
