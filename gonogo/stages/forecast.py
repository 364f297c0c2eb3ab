"""forecast: hours and dollars of the paid run."""

from __future__ import annotations

import os

from gonogo.base.units import duration
from gonogo.forecast.forecast import StageTime
from gonogo.forecast.stage_times import by_bytes, by_items, from_sample, size_bytes
from gonogo.runtime import ledger
from gonogo.runtime.context import Run


def beside_training(run: Run) -> list[StageTime]:
    """Of everything but the training: generating, inspecting, upload, and a download like what the smoke run left."""
    config, target = run.experiment_config, run.target
    here = run.settings.accelerator.is_this_machine
    rows = ledger.rows(run.ledger_path, experiment=run.experiment)
    uploaded = [*run.shards, *([run.results / "assets"] if run.load_experiment().trains_with_assets else [])]
    moved = {"upload": uploaded, "download": [run.results / "smoke_train"]}
    return [
        *from_sample(rows, config.sample_items, config.dataset_items, config.shards, os.cpu_count() or 1),
        *(
            by_bytes(stage, size_bytes(folders), loopback=here, mbit_per_s=target.max_mbit_per_s)
            for stage, folders in moved.items()
        ),
    ]


def for_set(run: Run, part_s: float, part_items: int) -> str:
    """`42 items: about 3.5 s`, from the sample."""
    config = run.experiment_config
    side_by_side = min(config.shards, os.cpu_count() or 1)
    found = by_items("dataset", part_s, part_items, config.dataset_items, side_by_side)
    return f"{config.dataset_items} items: about {duration(found.seconds.mid)}"
