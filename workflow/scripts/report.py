"""The whole run on one page."""

from gonogo.report.page import write_report
from gonogo.stage import stage

with stage(snakemake) as run:
    write_report(run, snakemake.output.markdown, snakemake.output.html)
