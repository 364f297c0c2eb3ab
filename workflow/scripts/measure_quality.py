from gonogo.runtime.stage import stage
from gonogo.stages.measure_quality import measure_quality

with stage(snakemake) as run:
    measure_quality(run, snakemake.input, snakemake.output)
