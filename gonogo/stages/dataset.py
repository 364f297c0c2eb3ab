"""dataset: one shard of the whole data set; of data that exists, what there is and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gonogo.base.units import gigabytes
from gonogo.runtime.context import Run
from gonogo.stages.existing_data import list_data
from gonogo.stages.generate import generate


def dataset(run: Run, inputs: Any, outputs: Any, params: Any) -> None:
    out = Path(outputs[0])
    if run.experiment_config.data:
        found = list_data(run, out)
        run.say(f"{found.items:,} items, {gigabytes(found.size_bytes)}, read where they lie: {found.folder}")
        return
    made, _ = generate(run, out, params.indices)
    run.say(made)
