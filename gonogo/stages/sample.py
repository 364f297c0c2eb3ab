"""sample: a few items, judged before the rest is generated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gonogo.runtime.context import Run
from gonogo.stages.existing_data import WHOLE, link_sample
from gonogo.stages.forecast import data_set_time
from gonogo.stages.generate import generate


def sample(run: Run, inputs: Any, outputs: Any, params: Any) -> None:
    if run.experiment_config.data:
        run.say(link_sample(run, Path(outputs[0]), params.indices))
        return
    first, end = params.indices
    there = run.load_experiment().items_there()
    if there is not None:
        end = max(first, min(end, there))
    made, took_s = generate(run, Path(outputs[0]), (first, end))
    if end == there:
        (Path(outputs[0]) / WHOLE).touch()
    run.say(f"{made}; the data set's {data_set_time(run.experiment_config, took_s, end - first)}")
