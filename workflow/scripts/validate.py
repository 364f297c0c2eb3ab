"""Predict held-out items from the downloaded checkpoint, and look at what comes out."""

from pathlib import Path

from gonogo.runtime.stage import stage
from gonogo.stages.validate import validate

with stage(snakemake) as run:
    outputs = snakemake.output
    measured = validate(run, Path(snakemake.input.archive), Path(outputs.predictions), Path(outputs.measured))
    measured.write(outputs.measurements)
