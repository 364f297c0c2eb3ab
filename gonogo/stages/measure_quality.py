"""measure_quality: every item of one part of the sample, or of the data set, measured once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gonogo.quality.cache import open_cache
from gonogo.quality.measure import measure_part
from gonogo.runtime.context import LISTING, Run
from gonogo.stages.existing_data import WHOLE


def measure_quality(run: Run, inputs: Any, outputs: Any) -> None:
    inspector = run.load_experiment().inspector(run.gates.quality)
    part = Path(inputs[0])
    data = run.data_folders[0] if (part / LISTING).is_file() else part
    whole = (part / WHOLE).exists()
    # outlives an interrupted scan, whose outputs Snakemake removes
    cache = run.paths.quality_cache(part)
    with open_cache(cache, inspector.name) as known:
        measure_part(
            inspector,
            data,
            Path(outputs[0]),
            lambda done, total: run.progress(f"{done} of {total} items"),
            known,
            whole,
        )
