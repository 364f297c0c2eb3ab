from gonogo.runtime.stage import stage
from gonogo.stages.report import report

with stage(snakemake) as run:
    report(run, snakemake.input, snakemake.output)
