"""forecast: hours and dollars of the paid run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gonogo.base.files import write_text
from gonogo.base.units import duration
from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.forecast.forecast import Forecast, StageTime, describe
from gonogo.forecast.forecast import forecast as forecast_run
from gonogo.forecast.script_forecast import forecast_script
from gonogo.forecast.speed import Speed
from gonogo.forecast.stage_times import by_bytes, by_items, size_bytes
from gonogo.forecast.step_work import ScriptRun
from gonogo.memory.judge import Measurements
from gonogo.runtime import ledger
from gonogo.runtime.context import Run
from gonogo.stages.sent_parts import sent_bytes

MADE_FROM = {"dataset": "sample", "measure_quality_dataset": "measure_quality_sample"}


def forecast(run: Run, inputs: Any, outputs: Any) -> None:
    """Hours and dollars of the paid run, with their range."""
    speed = Speed.model_validate_json(Path(inputs.speed).read_text())
    script = Measurements.read(inputs.memory).explored.run
    found = forecast_of(run, speed, script, run.training, beside_training(run))
    write_text(outputs.forecast, found.model_dump_json(indent=1))
    run.say(describe(found))


def forecast_of(
    run: Run, speed: Speed, script: ScriptRun | None, training: Training, stages: Sequence[StageTime]
) -> Forecast:  # fmt: skip
    """Of the run with these training keys; of a script that is watched, by its step as the memory trace counted it."""
    config = run.experiment_config
    if config.command is None or not config.command.is_watched:
        return forecast_run(
            speed, training, run.target, run.settings.accelerator, other_model=bool(config.smoke.settings),
            stages=stages,
        )  # fmt: skip
    return forecast_script(
        script, speed, config.command, run.asked_training, training, run.target, run.settings.accelerator,
        other_run=bool(config.smoke.arguments or config.smoke.training), stages=stages,
    )  # fmt: skip


def beside_training(run: Run) -> list[StageTime]:
    """Of everything but the training: generating, inspecting, upload, and a download like what the smoke run left."""
    config, target = run.experiment_config, run.target
    here = run.settings.accelerator.is_this_machine
    rows = ledger.rows(run.ledger_path, experiment=run.experiment)
    moved = {"upload": sent_bytes(run), "download": size_bytes([run.paths.smoke_train])}
    return [
        *from_sample(
            rows if config.data is None else _without_dataset(rows),
            config.sample_items,
            config.dataset_items,
            config.shards,
            os.cpu_count() or 1,
        ),
        *(by_bytes(stage, size, loopback=here, mbit_per_s=target.max_mbit_per_s) for stage, size in moved.items()),
    ]


def from_sample(rows: Sequence[ledger.Row], sample_items: int, items: int, shards: int, cores: int) -> list[StageTime]:
    """Generating and inspecting the whole set, from the ledger's rows of the sample; a stage without a row is left out.

    Of a sample in several rounds the first counts: it holds `sample_items`.
    """
    times = []
    for stage, part in MADE_FROM.items():
        done = [row for row in rows if row.stage == part and row.outcome == "done"]
        last = [row for row in done if row.session == done[-1].session]
        if last:
            took_s = last[0].work_s or last[0].wall_s
            times.append(by_items(stage, took_s, sample_items, items, min(shards, cores)))
    return times


def _without_dataset(rows: Sequence[ledger.Row]) -> list[ledger.Row]:
    """Data that exists is inspected and not generated."""
    return [row for row in rows if row.stage != MADE_FROM["dataset"]]


def data_set_time(config: ExperimentConfig, part_s: float, part_items: int) -> str:
    """`42 items: about 3.5 s`, from a part of it."""
    side_by_side = min(config.shards, os.cpu_count() or 1)
    found = by_items("dataset", part_s, part_items, config.dataset_items, side_by_side)
    return f"{config.dataset_items} items: about {duration(found.seconds.mid)}"
