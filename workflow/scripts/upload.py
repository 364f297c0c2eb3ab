"""Send data, code and the run's config; refuse to when a verdict is not about what is there now."""

from gonogo.runtime.stage import stage
from gonogo.stages.measure_launch import confirm_all
from gonogo.stages.upload import upload_run

with stage(snakemake) as run:
    confirm_all(run, "launch")
    upload_run(run, snakemake.output.upload, snakemake.output.run)
