from gonogo.runtime.stage import stage
from gonogo.stages.sample import sample

with stage(snakemake) as run:
    sample(run, snakemake.input, snakemake.output, snakemake.params)
