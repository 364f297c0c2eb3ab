"""A short real training run here, and what it learned."""

import time
from pathlib import Path

import psutil

from gonogo.base.files import folder_replacing, write_text
from gonogo.base.torch_startup import without_gc
from gonogo.learning.rehearse import rehearse
from gonogo.report.curves import loss_curve
from gonogo.runtime.stage import stage
from gonogo.stages.freshness import data_digest, learning_digest
from gonogo.training.spec import RunSpec

with stage(snakemake) as run:
    with run.work():
        with without_gc():
            from gonogo.report.curves import curve_of
        experiment = run.load_experiment(rehearsed=True)
        imported_s = time.time() - psutil.Process().create_time()
        smoke = run.experiment_config.smoke
        spec = RunSpec(
            experiment=run.experiment,
            experiment_config=run.rehearsed_config,
            training=run.rehearsed_config.training,
            data=run.shards,
            seed=run.config.seed,
            max_steps=smoke.steps,
            max_minutes=smoke.max_minutes,
        )
        with folder_replacing(snakemake.output.run) as out:
            measured, result, speed = rehearse(experiment, spec, smoke, out, run.say, run.progress, run.gates.learning)
            write_text(out / "training.json", result.model_dump_json())
    measured.inputs_digest = learning_digest(
        data_digest(run.shards), run.load_experiment(), run.experiment_config.training
    )
    measured.evidence = [snakemake.output.curve, snakemake.output.run]
    measured.write(snakemake.output.measurements)
    speed.start_s += imported_s
    write_text(snakemake.output.speed, speed.model_dump_json())
    loss_curve(curve_of(result, measured, run.experiment), Path(snakemake.output.curve))
