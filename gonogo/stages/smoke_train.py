"""smoke_train: minutes of real training on this machine, and what was learned."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from gonogo.base.files import folder_replacing, write_text
from gonogo.base.processes import started_at
from gonogo.base.torch_startup import without_gc
from gonogo.experiment.command import CommandExperiment
from gonogo.runtime.context import Run
from gonogo.stages.freshness import data_digest, learning_digest
from gonogo.training.spec import RunSpec


def smoke_train(run: Run, inputs: Any, outputs: Any) -> None:
    experiment = run.load_experiment(smoke=True)
    if isinstance(experiment, CommandExperiment) and experiment.is_watched:
        watch_script(run, experiment, outputs)
        return
    with run.work():
        with without_gc():
            from gonogo.learning.rehearse import rehearse
            from gonogo.report.curves import curve_of, loss_curve
        imported_s = time.time() - started_at(os.getpid())
        with folder_replacing(outputs.run) as out:
            measured, result, speed = rehearse(
                experiment, smoke_spec(run), run.experiment_config.smoke, out, run.say, run.progress, run.gates.learning
            )
            write_text(out / "training.json", result.model_dump_json())
    measured.inputs_digest = learning_digest(
        data_digest(run.data_folders), run.load_experiment(), run.experiment_config.training
    )
    measured.evidence = [outputs.curve, outputs.run]
    measured.write(outputs.measurements)
    speed.start_s += imported_s
    write_text(outputs.speed, speed.model_dump_json())
    loss_curve(curve_of(result, measured, run.experiment), Path(outputs.curve))


def watch_script(run: Run, experiment: CommandExperiment, outputs: Any) -> None:
    """The smoke run of a script that was written for no workflow: it is watched, and nothing of it is changed."""
    from gonogo.report.curves import LossCurve, loss_curve
    from gonogo.script.learning_gate import Measurements
    from gonogo.script.rehearsal import losses_of, pace_note, speed_of, watch_training

    spec, config = smoke_spec(run), run.experiment_config
    with run.work(), folder_replacing(outputs.run) as out:
        facts = watch_training(
            experiment, spec, config.smoke.arguments, run.settings.accelerator, run.progress
        )  # fmt: skip
        result = losses_of(facts)
        write_text(out / "training.json", result.model_dump_json())
    run.say(pace_note(facts))
    digest = learning_digest(data_digest(run.data_folders), run.load_experiment(), config.training)
    Measurements(script=facts, inputs_digest=digest, evidence=[outputs.curve, outputs.run]).write(outputs.measurements)
    items = config.dataset_items * experiment.command.samples_per_item
    write_text(outputs.speed, speed_of(facts, spec.training, items).model_dump_json())
    curve = LossCurve(
        title=f"{run.experiment}: {facts.steps} steps, watched", steps=result.train_steps,
        train_loss=list(result.train_loss), unit="loss, as the script calls backward on it",
    )  # fmt: skip
    loss_curve(curve, Path(outputs.curve))


def smoke_spec(run: Run) -> RunSpec:
    """The smoke run: the experiment's own training, with the keys and limits of `smoke`."""
    config = run.smoke_config
    return RunSpec(
        experiment=run.experiment,
        experiment_config=config,
        training=config.training,
        data=run.data_folders,
        seed=run.config.seed,
        max_steps=config.smoke.steps,
        max_minutes=config.smoke.max_minutes,
    )
