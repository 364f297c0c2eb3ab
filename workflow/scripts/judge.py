from gonogo.runtime.stage import stage
from gonogo.stages.judge import judge

with stage(snakemake) as run:
    judge(run, snakemake.input, snakemake.output, snakemake.params)
