from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from gonogo.forecast.speed import Speed
from gonogo.gates import registry
from gonogo.learning.judge import Measurements
from gonogo.runtime.context import Run
from gonogo.stages.freshness import InputDigests
from gonogo.stages.smoke_train import smoke_spec, smoke_train
from tests.stages.conftest import Files


@pytest.fixture
def run(stage_run: Callable[..., Run]) -> Run:
    run = stage_run("smoke_train")
    for number, shard in enumerate(run.shards):
        shard.mkdir(parents=True)
        (shard / f"item_{number}.txt").write_text("some words")
    return run


def test_it_trains_as_smoke_says(run: Run) -> None:
    run.experiment_config.smoke.training = {"learning_rate": 0.25}
    spec = smoke_spec(run)
    assert spec.training.learning_rate == 0.25 and run.asked_training.learning_rate != 0.25
    assert spec.max_steps == 20 and spec.data == run.shards and spec.gate is None


def test_what_was_learned_is_measured_with_the_speed_and_the_curve(run: Run) -> None:
    folder = run.paths.experiment / "learning"
    outputs = Files(
        run=str(run.paths.smoke_train), measurements=folder / "measurements.json", speed=run.paths.speed,
        curve=str(run.paths.loss_curve),
    )  # fmt: skip
    smoke_train(run, Files(), outputs)
    measured = Measurements.read(outputs.measurements)
    assert measured.inputs_digest == InputDigests(run).of(registry.gate("learning"))
    assert measured.evidence == [outputs.curve, outputs.run]
    assert json.loads((run.paths.smoke_train / "training.json").read_text())["steps"] == 20
    assert Speed.model_validate_json(outputs.speed.read_text()).start_s > 0
    assert run.paths.loss_curve.stat().st_size > 1000
