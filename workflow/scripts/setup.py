"""Make the machine ready, and look it over."""

from gonogo.runtime.stage import stage
from gonogo.stages.setup import set_up_machine

with stage(snakemake) as run:
    set_up_machine(run, snakemake.output.setup)
