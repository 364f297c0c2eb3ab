from gonogo.runtime.stage import stage
from gonogo.stages.download import download

with stage(snakemake) as run:
    download(run, snakemake.input, snakemake.output)
