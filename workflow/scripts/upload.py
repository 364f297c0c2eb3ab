from gonogo.runtime.stage import stage
from gonogo.stages.upload import upload

with stage(snakemake) as run:
    upload(run, snakemake.input, snakemake.output)
