"""The first steps on the paid machine."""

from gonogo.remote.runs import run_canary
from gonogo.stage import stage

with stage(snakemake) as run:
    run_canary(run, snakemake.input, snakemake.output)
