"""One training run: its checkpoints, its pictures, its measurements, and its end when the loss is NaN."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import pytest
import torch

from gonogo.base.errors import UserError
from gonogo.config.experiment import Training
from gonogo.stages.train import main
from gonogo.training.run import train
from gonogo.training.spec import PHASE, RunSpec, TrainingResult
from tests.conftest import ROOT
from tests.toy import ToyModule, config, toy
from tests.waiting import line_with

TRAINING = Training(
    epochs=40, micro_batch_size=32, learning_rate=0.01, checkpoint_every_epochs=20, sample_every_epochs=10
)


def spec(fault: str = "", **changes: object) -> RunSpec:
    return RunSpec(experiment="toy", experiment_config=config(fault), training=TRAINING, data=[], seed=0).model_copy(
        update=changes
    )


def test_checkpoints_and_pictures_come_when_they_should(tmp_path: Path) -> None:
    result = train(toy(), spec(), tmp_path, lambda line: None)
    checkpoints = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert checkpoints == {"best.ckpt", "last.ckpt", "epoch_0020.ckpt", "epoch_0040.ckpt"}
    assert [path.name for path in sorted((tmp_path / "samples").iterdir())] == [
        "epoch_0010", "epoch_0020", "epoch_0030", "epoch_0040",
    ]  # fmt: skip
    assert torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 80
    assert (result.steps, result.epochs, len(result.train_loss), len(result.val_loss)) == (80, 40, 80, 40)
    assert result.val_loss[-1] < result.val_loss[0] and result.finite and result.peak_memory_bytes > 50e6


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    result = train(toy("nan"), spec("nan"), tmp_path, lambda line: None)
    assert not result.finite and "nan at step" in result.stopped
    assert result.steps < 10 and (tmp_path / "checkpoints/last.ckpt").exists()
    assert TrainingResult.model_validate_json(result.model_dump_json()).stopped == result.stopped


def test_limits_are_kept(tmp_path: Path) -> None:
    assert train(toy(), spec(max_steps=7), tmp_path / "steps", lambda line: None).steps == 7
    said: list[str] = []
    slow = spec(max_minutes=0.01, training=TRAINING.model_copy(update={"epochs": 10_000}))
    assert 0 < train(toy(), slow, tmp_path / "time", said.append).steps < 10_000
    assert said and "s/step" in said[0] and "epoch 1/10000" in said[0]


def test_a_canary_does_one_of_each_while_the_optimizer_is_there(tmp_path: Path) -> None:
    said: list[str] = []
    plan = TRAINING.model_copy(update={"accumulate_grad_batches": 2, "validations_per_epoch": 1})
    result = train(toy(), spec(max_steps=5, one_of_each=True, training=plan), tmp_path, said.append)
    assert (result.steps, result.val_steps) == (5, [5])
    assert [line for line in said if line.startswith(PHASE)] == [
        f"{PHASE}validation", f"{PHASE}checkpoint", f"{PHASE}prediction",
    ]  # fmt: skip
    peaks = list(result.phase_peaks_bytes.items())
    assert [name for name, _ in peaks] == ["steps", "validation", "checkpoint", "prediction"]
    assert [peak for _, peak in peaks] == sorted(peak for _, peak in peaks) and peaks[0][1] > 0
    assert (tmp_path / "samples/canary/predictions.png").exists()


def test_a_canary_reads_a_checkpoint_of_the_trainable_weights_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[set[str]] = []
    monkeypatch.setattr(ToyModule, "strict_loading", False, raising=False)
    monkeypatch.setattr(
        ToyModule, "on_save_checkpoint", lambda self, saved: saved["state_dict"].popitem(last=False), raising=False
    )
    monkeypatch.setattr(
        ToyModule, "on_load_checkpoint", lambda self, saved: read.append(set(saved["state_dict"])), raising=False
    )
    result = train(toy(), spec(max_steps=3, one_of_each=True), tmp_path, lambda line: None)
    assert list(result.phase_peaks_bytes)[-1] == "prediction"
    assert read and read[0] < set(toy().module(TRAINING).state_dict())


class Odd:
    """No value of a safe checkpoint."""


@pytest.mark.parametrize("fault", ["validation", "checkpoint", "prediction"])
def test_what_would_fail_only_after_the_steps_fails_in_the_canary(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("CUDA out of memory")

    if fault == "checkpoint":
        monkeypatch.setattr(ToyModule, "on_save_checkpoint", lambda self, saved: saved.update(odd=Odd()), raising=False)
    else:
        monkeypatch.setattr(ToyModule, f"{fault.replace('prediction', 'predict')}_step", fails)
    said: list[str] = []
    with pytest.raises((RuntimeError, UnpicklingError)):
        train(toy(), spec(max_steps=3, one_of_each=True), tmp_path, said.append)
    assert said[-1] == f"{PHASE}{fault}"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("validation", "validation fails after training: ValueError: no such head (test_run.py:"),
        ("saving", "hyper_parameters.w holds a numpy scalar (float64)"),
        ("loading", "loading the checkpoint into a fresh model fails after training: RuntimeError"),
        ("prediction", "a prediction from the checkpoint fails after training: ValueError: no such head (test_run.py:"),
    ],
)
def test_a_smoke_run_rehearses_what_comes_later(
    fault: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ValueError("no such head")

    if fault == "saving":
        odd = {"hyper_parameters": {"rate": 0.1, "w": np.float64(1)}}
        monkeypatch.setattr(ToyModule, "on_save_checkpoint", lambda self, saved: saved.update(odd), raising=False)
    elif fault == "loading":
        monkeypatch.setattr(
            ToyModule, "on_save_checkpoint", lambda self, saved: saved["state_dict"].popitem(), raising=False
        )
    else:
        monkeypatch.setattr(ToyModule, f"{fault.replace('prediction', 'predict')}_step", fails)
    with pytest.raises(UserError, match=re.escape(said)):
        train(toy(), spec(max_steps=1), tmp_path, lambda line: None)  # before an epoch ends
    with pytest.raises(UserError, match="fails after training" if fault != "saving" else "numpy"):
        train(toy(), spec(max_steps=4), tmp_path / "whole", lambda line: None)


def test_a_learning_rate_that_numpy_computed_is_saved_as_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ToyModule.configure_optimizers

    def scheduled(self: ToyModule) -> Any:
        optimizer = plain(self)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: np.cos(0.01 * step))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    monkeypatch.setattr(ToyModule, "configure_optimizers", scheduled)
    train(toy(), spec(max_steps=3), tmp_path, lambda line: None)
    saved = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)
    assert 0 < saved["optimizer_states"][0]["param_groups"][0]["lr"] < 1


def test_the_first_validation_finds_a_checkpoint_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ValueError("no such head")

    plan = spec(training=TRAINING.model_copy(update={"epochs": 2}))
    with monkeypatch.context() as broken, pytest.raises(ValueError, match="no such head"):
        broken.setattr(ToyModule, "validation_step", fails)
        train(toy(), plan, tmp_path, lambda line: None)
    last = tmp_path / "checkpoints" / "last.ckpt"
    result = train(toy(), plan, tmp_path, lambda line: None, checkpoint=last)
    assert result.epochs == 2 and result.val_loss


def test_a_run_goes_on_from_its_checkpoint_with_another_micro_batch(tmp_path: Path) -> None:
    """As the agent starts it again after running out of memory."""
    run, out = tmp_path / "run.json", tmp_path / "out"
    run.write_text(spec(training=TRAINING.model_copy(update={"epochs": 20})).model_dump_json(by_alias=True))
    assert main([str(run), str(out)]) == 0
    metrics = (out / "metrics.csv").read_text()
    first = TrainingResult.model_validate_json((out / "training.json").read_text())
    run.write_text(spec().model_dump_json(by_alias=True))
    smaller = '{"training": {"micro_batch_size": 16, "accumulate_grad_batches": 2}}'
    assert main([str(run), str(out), "--resume", str(out / "checkpoints/last.ckpt"), "--changes", smaller]) == 0
    result = TrainingResult.model_validate_json((out / "training.json").read_text())
    assert (first.steps, result.steps, result.epochs) == (40, 80, 40)
    assert result.val_loss[0] < 1.05 * first.val_loss[-1], "it began where the first part ended"
    assert (out / "metrics.csv").read_text() == metrics and (out / "resumed_1/metrics.csv").exists()


def test_a_run_that_is_terminated_does_not_pass_for_finished(tmp_path: Path) -> None:
    run = tmp_path / "run.json"
    run.write_text(spec(training=TRAINING.model_copy(update={"epochs": 100_000})).model_dump_json(by_alias=True))
    command = [sys.executable, "-m", "gonogo.stages.train", str(run), str(tmp_path / "out")]
    training = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    line_with(training, "step")
    training.terminate()
    training.communicate(timeout=60)
    assert training.returncode == 128 + signal.SIGTERM
    assert not (tmp_path / "out/training.json").exists()


def test_the_machines_command(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(spec().model_dump_json(by_alias=True))
    assert main([str(tmp_path / "run.json"), str(tmp_path / "out"), "--max-steps", "3"]) == 0
    result = TrainingResult.model_validate_json((tmp_path / "out/training.json").read_text())
    assert result.steps == 3 and result.median_step_s > 0
    (tmp_path / "run.json").write_text(spec("nan").model_dump_json(by_alias=True))
    assert main([str(tmp_path / "run.json"), str(tmp_path / "nan")]) == 3
