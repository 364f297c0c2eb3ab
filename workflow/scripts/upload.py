"""Send data, code and the run's config; refuse to when a verdict is not about what is there now."""

from gonogo.checklist import confirm_all
from gonogo.remote.leg import upload_run
from gonogo.stage import stage

with stage(snakemake) as run:
    confirm_all(run, "launch")
    upload_run(run, snakemake.output.upload, snakemake.output.run)
