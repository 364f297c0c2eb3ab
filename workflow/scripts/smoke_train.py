from gonogo.runtime.stage import stage
from gonogo.stages.smoke_train import smoke_train

with stage(snakemake) as run:
    smoke_train(run, snakemake.input, snakemake.output)
