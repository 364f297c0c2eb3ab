from gonogo.runtime.stage import stage
from gonogo.stages.prepare import prepare

with stage(snakemake) as run:
    prepare(run, snakemake.input, snakemake.output)
