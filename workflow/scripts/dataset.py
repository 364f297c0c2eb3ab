from gonogo.runtime.stage import stage
from gonogo.stages.dataset import dataset

with stage(snakemake) as run:
    dataset(run, snakemake.input, snakemake.output, snakemake.params)
