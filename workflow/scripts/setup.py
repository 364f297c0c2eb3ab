"""Make the machine ready, and look it over."""

from gonogo.remote.leg import set_up_machine
from gonogo.stage import stage

with stage(snakemake) as run:
    set_up_machine(run, snakemake.output.setup)
