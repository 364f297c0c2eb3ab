from gonogo.runtime.stage import stage
from gonogo.stages.release import release

with stage(snakemake) as run:
    release(run, snakemake.input, snakemake.output)
