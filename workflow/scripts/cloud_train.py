"""Start the paid run, or attach to the one that is running, and watch it to its end."""

from gonogo.checklist import confirm_all
from gonogo.remote.runs import run_training
from gonogo.stage import stage

with stage(snakemake) as run:
    confirm_all(run, "canary")
    run_training(run, snakemake.input, snakemake.output.run)
