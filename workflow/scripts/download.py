"""Fetch the run's folder, verified, into an archive folder of its own."""

from gonogo.runtime.stage import stage
from gonogo.stages.download import download_run

with stage(snakemake) as run:
    download_run(run, snakemake.input.run, snakemake.output.archive)
