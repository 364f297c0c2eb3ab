"""Items generated into one folder: a round of the sample, or a shard of the data set."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from gonogo.base.files import folder_replacing, walk
from gonogo.base.units import gigabytes
from gonogo.runtime.context import Run


def generate(run: Run, out: Path, indices: Sequence[int]) -> tuple[str, float]:
    """Generate the items from the first index up to the second, exclusive.

    Returns:
        What was made, in words, and the seconds it took.
    """
    first, end = indices
    started = time.time()
    with run.work(), folder_replacing(out) as folder:
        run.load_experiment().generate(
            range(first, end), folder, run.config.seed, lambda done, total: run.progress(f"{done} of {total} items")
        )
    took_s = time.time() - started
    size = gigabytes(sum(file.stat().st_size for file in walk(out)))
    return f"{end - first} items, {size}, in {took_s:.1f} s", took_s
