from gonogo.runtime.stage import stage
from gonogo.stages.setup import setup

with stage(snakemake) as run:
    setup(run, snakemake.input, snakemake.output)
