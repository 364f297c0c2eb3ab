"""dataset: one shard of the whole data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gonogo.runtime.context import Run
from gonogo.stages.generate import generate


def dataset(run: Run, inputs: Any, outputs: Any, params: Any) -> None:
    made, _ = generate(run, Path(outputs[0]), params.indices)
    run.say(made)
