"""Trace the planned training step's memory without running it, and the plans around it."""

from gonogo.base.units import gigabytes
from gonogo.memory.judge import Measurements
from gonogo.memory.plan_search_process import PlanSearch, explore_in_child
from gonogo.runtime.stage import stage
from gonogo.stages.freshness import memory_digest

with stage(snakemake) as run:
    accelerator, training = run.settings.accelerator, run.asked_training
    task = PlanSearch(
        experiment=run.experiment,
        experiment_config=run.experiment_config,
        training=training,
        accelerator=accelerator,
        environment=run.target.environment,
    )
    with run.work():
        explored = explore_in_child(task)
    measured = Measurements(
        accelerator=accelerator,
        explored=explored,
        inputs_digest=memory_digest(run.load_experiment(), training, accelerator),
    )
    measured.write(snakemake.output.measurements)
    found = measured.estimate
    needed = found.error if found.needed_bytes is None else gigabytes(found.needed_bytes)
    run.say(f"{found.parameters / 1e6:.2f}M parameters, {found.operations} operations, needs {needed}")
