"""The first steps on the paid machine."""

from gonogo.runtime.stage import stage
from gonogo.stages.canary import run_canary

with stage(snakemake) as run:
    run_canary(run, snakemake.input, snakemake.output)
