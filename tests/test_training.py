"""One training run: its checkpoints, its pictures, its measurements, and its end when the loss is no number."""

from __future__ import annotations

from pathlib import Path

import torch

from gonogo.config import Training
from gonogo.training import RunSpec, TrainingResult, main, train
from tests.toy import config, toy

TRAINING = Training(
    epochs=40, micro_batch_size=32, learning_rate=0.01, checkpoint_every_epochs=20, sample_every_epochs=10
)


def spec(fault: str = "", **changes: object) -> RunSpec:
    return RunSpec(experiment="toy", experiment_config=config(fault), training=TRAINING, data=[], seed=0).model_copy(
        update=changes
    )


def test_checkpoints_and_pictures_come_when_they_should(tmp_path: Path) -> None:
    result, _, _ = train(toy(), spec(), tmp_path, lambda line: None)
    checkpoints = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert checkpoints == {"best.ckpt", "last.ckpt", "epoch_0020.ckpt", "epoch_0040.ckpt"}
    assert [path.name for path in sorted((tmp_path / "samples").iterdir())] == [
        "epoch_0010", "epoch_0020", "epoch_0030", "epoch_0040",
    ]  # fmt: skip
    assert torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 80
    assert (result.steps, result.epochs, len(result.train_loss), len(result.val_loss)) == (80, 40, 80, 40)
    assert result.val_loss[-1] < result.val_loss[0] and result.finite and result.peak_memory_bytes > 50e6


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    result, _, _ = train(toy("nan"), spec("nan"), tmp_path, lambda line: None)
    assert not result.finite and "nan at step" in result.stopped
    assert result.steps < 10 and (tmp_path / "checkpoints/last.ckpt").exists()
    assert TrainingResult.model_validate_json(result.model_dump_json()).stopped == result.stopped


def test_limits_are_kept(tmp_path: Path) -> None:
    assert train(toy(), spec(max_steps=7), tmp_path / "steps", lambda line: None)[0].steps == 7
    said: list[str] = []
    slow = spec(max_minutes=0.01, training=TRAINING.model_copy(update={"epochs": 10_000}))
    assert 0 < train(toy(), slow, tmp_path / "time", said.append)[0].steps < 10_000
    assert said and "s/step" in said[0] and "epoch 1/10000" in said[0]


def test_the_machines_command(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(spec().model_dump_json(by_alias=True))
    assert main([str(tmp_path / "run.json"), str(tmp_path / "out"), "--max-steps", "3"]) == 0
    result = TrainingResult.model_validate_json((tmp_path / "out/training.json").read_text())
    assert result.steps == 3 and result.median_step_s > 0
    (tmp_path / "run.json").write_text(spec("nan").model_dump_json(by_alias=True))
    assert main([str(tmp_path / "run.json"), str(tmp_path / "nan")]) == 3
