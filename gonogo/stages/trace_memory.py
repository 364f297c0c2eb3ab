"""trace_memory: the memory that the planned training step needs, traced without running it, and the plans around it."""

from __future__ import annotations

from typing import Any

from gonogo.base.units import gigabytes
from gonogo.experiment.command import CommandExperiment
from gonogo.memory.judge import Measurements
from gonogo.memory.plan_search_process import PlanSearch, explore_in_child
from gonogo.runtime.context import Run
from gonogo.stages.freshness import memory_digest
from gonogo.stages.smoke_train import smoke_spec


def trace_memory(run: Run, inputs: Any, outputs: Any) -> None:
    accelerator, training = run.settings.accelerator, run.asked_training
    search = PlanSearch(
        experiment=run.experiment,
        experiment_config=run.experiment_config,
        training=training,
        accelerator=accelerator,
        environment=run.target.environment,
        data=run.data_folders,
        seed=run.config.seed,
    )
    experiment = run.load_experiment()
    with run.work():
        if isinstance(experiment, CommandExperiment) and not run.experiment_config.memory:
            from gonogo.script.plans import explore_script

            spec = smoke_spec(run).model_copy(update={"training": training, "max_steps": None})
            explored = explore_script(experiment, spec, accelerator, run.target.environment, run.progress)
        else:
            explored = explore_in_child(search)
    measured = Measurements(
        accelerator=accelerator,
        explored=explored,
        inputs_digest=memory_digest(run.load_experiment(), training, accelerator),
    )
    measured.write(outputs.measurements)
    estimate = measured.estimate
    needed = estimate.error if estimate.needed_bytes is None else gigabytes(estimate.needed_bytes)
    run.say(f"{estimate.parameters / 1e6:.2f}M parameters, {estimate.operations} operations, needs {needed}")
