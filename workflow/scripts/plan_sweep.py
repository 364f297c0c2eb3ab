from gonogo.runtime.stage import stage
from gonogo.stages.plan_sweep import plan_sweep

with stage(snakemake) as run:
    plan_sweep(run, snakemake.input, snakemake.output, snakemake.params)
