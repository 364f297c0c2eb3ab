"""The whole run on one page."""

from gonogo.runtime.stage import stage
from gonogo.stages.report import write_report

with stage(snakemake) as run:
    write_report(run, snakemake.output.markdown, snakemake.output.html)
