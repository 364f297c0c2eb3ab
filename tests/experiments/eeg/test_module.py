"""Loss, optimizer, early stopping and prediction."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from experiments.eeg.module import EEGModule
from experiments.eeg.predict import metrics, picture
from gonogo.base.errors import UserError
from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.judge import judge
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.training.lightning_run import train_lightning
from gonogo.training.spec import RunSpec
from tests.experiments.eeg.recordings import experiment, generate


def test_loss_is_l1_and_the_optimizer_adamax_at_the_configured_rate() -> None:
    own = experiment()
    module = own.module(own.config.training).eval()
    batch = own.example_batch(4)
    expected = (module.predict_step(batch, 0) - batch["target"]).abs().mean()
    assert torch.isclose(module.training_step(batch, 0), expected)
    optimizer = module.configure_optimizers()
    assert isinstance(optimizer, torch.optim.Adamax) and optimizer.param_groups[0]["lr"] == 2e-3


def test_training_stops_five_epochs_after_the_best_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = experiment()
    generate(own, tmp_path / "data", 6)
    found = iter([0.5, 0.4, *[0.6] * 50])
    monkeypatch.setattr(
        EEGModule, "validation_step", lambda self, batch, index: self.log("val_loss", next(found), batch_size=1)
    )
    training = own.config.training.model_copy(update={"epochs": 30})
    spec = RunSpec(experiment="eeg", experiment_config=own.config, training=training, data=[tmp_path / "data"], seed=0)
    result, _, data = train_lightning(own, spec, tmp_path / "out", lambda line: None)
    assert len(data.val_dataloader()) == 1
    assert result.epochs == 7 and result.val_loss[:2] == pytest.approx([0.5, 0.4])


def test_prediction_leaves_recordings_that_the_inspector_reads(tmp_path: Path) -> None:
    own = experiment()
    generate(own, tmp_path / "data")
    training = own.config.training.model_copy(update={"epochs": 1})
    spec = RunSpec(experiment="eeg", experiment_config=own.config, training=training, data=[tmp_path / "data"], seed=0)
    train_lightning(own, spec, tmp_path / "out", lambda line: None)
    checkpoint = tmp_path / "out/checkpoints/best.ckpt"
    found = own.predict(checkpoint, [tmp_path / "data"], tmp_path / "predicted", 0)
    assert {"skill", "mae", "correlation"} <= set(found)
    data = own.datamodule(training, [tmp_path / "data"], 0)
    assert [path.name for path in sorted((tmp_path / "predicted").iterdir())] == [p.name for p in data.val_files]
    with h5py.File(tmp_path / "predicted" / data.val_files[0].name) as mine, h5py.File(data.val_files[0]) as theirs:
        assert np.array_equal(mine["data"], theirs["data"]) and not np.array_equal(mine["targets"], theirs["targets"])
        assert dict(mine.attrs) == dict(theirs.attrs)
    measure_part("series", tmp_path / "predicted", tmp_path / "measured")
    assert judge(MeasuredSet.read(tmp_path / "measured"), QualityGate()).bad == 0
    checkpoint.write_bytes(b"no checkpoint")
    with pytest.raises(UserError, match="no checkpoint of this model"):
        own.predict(checkpoint, [tmp_path / "data"], tmp_path / "more", 0)


def test_metrics_of_perfect_and_of_useless_predictions() -> None:
    true = np.array([0.0, 1.0, 2.0, 3.0])
    subjects = ["a", "a", "b", "b"]
    perfect = metrics(true, true, 1.0, subjects)
    assert perfect["skill"] == 1 and perfect["correlation"] == pytest.approx(1) and perfect["nrmse"] == 0
    mean = metrics(np.full(4, 1.0), true, 1.0, subjects)
    assert mean["skill"] == 0 and mean["correlation"] == 0


def test_the_picture_is_one(tmp_path: Path) -> None:
    picture(torch.randn(5, 1), torch.randn(5, 1), tmp_path / "a" / "predictions.png")
    assert (tmp_path / "a" / "predictions.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_it_learns_the_factor_of_people_it_never_saw(tmp_path: Path) -> None:
    own = experiment({"data": {"channels": 8, "window_samples": 200, "windows": 8}, "model": {"kernel": 64}})
    generate(own, tmp_path / "data", 120)
    spec = RunSpec(
        experiment="eeg", experiment_config=own.config, training=own.config.training, data=[tmp_path / "data"], seed=0,
        max_steps=100,
    )  # fmt: skip
    train_lightning(own, spec, tmp_path / "out", lambda line: None)
    found = own.predict(tmp_path / "out/checkpoints/last.ckpt", [tmp_path / "data"], tmp_path / "predicted", 0)
    assert found["skill"] > 0.25 and found["correlation"] > 0.6
