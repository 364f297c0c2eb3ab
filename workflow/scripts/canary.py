from gonogo.runtime.stage import stage
from gonogo.stages.canary import canary

with stage(snakemake) as run:
    canary(run, snakemake.input, snakemake.output, snakemake.params)
