from gonogo.runtime.stage import stage
from gonogo.stages.forecast import forecast

with stage(snakemake) as run:
    forecast(run, snakemake.input, snakemake.output)
