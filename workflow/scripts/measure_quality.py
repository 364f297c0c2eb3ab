"""Look at every item of one part of the sample, or of the set, once."""

from pathlib import Path

from gonogo.quality.cache import open_cache
from gonogo.quality.measure import measure_part
from gonogo.runtime.stage import stage

with stage(snakemake) as run:
    kind = run.load_experiment().inspector(run.gates.quality)
    # outlives an interrupted scan, whose outputs Snakemake removes
    name = f"{snakemake.wildcards.scope}_{snakemake.wildcards.shard}.sqlite"
    with open_cache(run.results / "quality" / "cache" / name, kind.name) as cache:
        measure_part(
            kind,
            Path(snakemake.input[0]),
            Path(snakemake.output[0]),
            lambda done, total: run.progress(f"{done} of {total} items"),
            cache,
        )
