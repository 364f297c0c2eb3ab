from gonogo.runtime.stage import stage
from gonogo.stages.validate import validate

with stage(snakemake) as run:
    validate(run, snakemake.input, snakemake.output)
