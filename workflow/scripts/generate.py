"""Generate items: the sample, or one shard of the set."""

import time
from pathlib import Path

from gonogo.base.files import folder_replacing, walk
from gonogo.base.units import gigabytes
from gonogo.runtime.stage import stage
from gonogo.stages.forecast import for_set

with stage(snakemake) as run:
    indices = snakemake.params.indices
    started = time.time()
    with run.work(), folder_replacing(snakemake.output[0]) as out:
        run.load_experiment().generate(
            range(*indices), out, run.config.seed, lambda done, total: run.progress(f"{done} of {total} items")
        )
    size = gigabytes(sum(file.stat().st_size for file in walk(Path(snakemake.output[0]))))
    count, took_s = indices[1] - indices[0], time.time() - started
    ahead = f"; the set's {for_set(run, took_s, count)}" if run.stage == "sample" else ""
    run.say(f"{count} items, {size}, in {took_s:.1f} s{ahead}")
