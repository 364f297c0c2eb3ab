"""Start the paid run, or attach to the one that is running, and watch it to its end."""

from gonogo.runtime.stage import stage
from gonogo.stages.cloud_train import run_training
from gonogo.stages.measure_launch import confirm_all

with stage(snakemake) as run:
    confirm_all(run, "canary")
    run_training(run, snakemake.input, snakemake.output.run)
