"""Predict held-out items from the downloaded checkpoint, and look at what comes out."""

from pathlib import Path

from gonogo.results import validate
from gonogo.stage import stage

with stage(snakemake) as run:
    outputs = snakemake.output
    measured = validate(run, Path(snakemake.input.archive), Path(outputs.predictions), Path(outputs.measured))
    measured.write(outputs.measurements)
