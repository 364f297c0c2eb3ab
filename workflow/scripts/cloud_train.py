from gonogo.runtime.stage import stage
from gonogo.stages.cloud_train import cloud_train

with stage(snakemake) as run:
    cloud_train(run, snakemake.input, snakemake.output)
