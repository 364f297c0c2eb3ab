"""Fetch the run's folder, verified, into an archive folder of its own."""

from gonogo.remote.leg import download_run
from gonogo.stage import stage

with stage(snakemake) as run:
    download_run(run, snakemake.input.run, snakemake.output.archive)
