"""Predict held-out items from the downloaded checkpoint, and look at what comes out."""

from pathlib import Path

from gonogo.results import validate
from gonogo.stage import stage

with stage(snakemake) as run:
    validate(run, Path(snakemake.input.archive), Path(snakemake.output.predictions)).write(
        snakemake.output.measurements
    )
