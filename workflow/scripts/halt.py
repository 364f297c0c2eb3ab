from gonogo.runtime.stage import stage
from gonogo.stages.halt import halt

with stage(snakemake) as run:
    halt(run, snakemake.input, snakemake.output)
