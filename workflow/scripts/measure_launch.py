from gonogo.runtime.stage import stage
from gonogo.stages.measure_launch import measure_launch

with stage(snakemake) as run:
    measure_launch(run, snakemake.input, snakemake.output, snakemake.params)
