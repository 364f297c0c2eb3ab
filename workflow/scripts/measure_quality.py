"""Look at every picture of the sample, or of the set, once."""

from pathlib import Path

from gonogo.quality.views import measure
from gonogo.stage import stage

with stage(snakemake) as run:
    folders = [Path(folder) for folder in snakemake.input.data]
    measured = measure(folders, lambda done, total: run.progress(f"{done} of {total} scenes"))
    measured.write(snakemake.output.measurements)
