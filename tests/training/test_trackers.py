"""TensorBoard, Weights & Biases, MLflow, Trackio: the real packages, without network; skipped where absent."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from lightning.pytorch.loggers.logger import DummyLogger

from gonogo.config import tracking
from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.config.tracking import Tracker, missing
from gonogo.training.event_files import scalars
from gonogo.training.lightning_run import train_lightning
from gonogo.training.run import train
from gonogo.training.spec import RunSpec
from gonogo.training.trackers import SafeLogger
from tests.experiment.scripts import SCRIPT, command
from tests.toy import toy
from tests.waiting import wait_for

KEY = "0123456789abcdef0123456789abcdef01234567"


def needs(tracker: Tracker) -> None:
    """Skip where its package is absent; it is not imported, as trackio reads its folder then."""
    if missing([tracker]):
        pytest.skip(missing([tracker]))


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU, as far as its tool tells."""
    reading = {"used_bytes": 1e9, "total_bytes": 2e9, "busy_percent": 87.0, "temperature_c": 61.0}
    monkeypatch.setattr("gonogo.agent.gpu.Gpu.look", lambda gpu: reading)


def of_tensorboard(folder: Path) -> set[str]:
    (file,) = folder.rglob("events.out.tfevents*")
    with file.open("rb") as stream:
        return {tag for tag, _ in scalars(stream, file.stat().st_size, lambda: None)}


def of_wandb(folder: Path) -> set[str]:
    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    data = file.read_bytes()
    return {name for name in KNOWN if name.encode() in data}


def of_mlflow(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*/*/metrics/*")}


def of_trackio(folder: Path) -> set[str]:
    (file,) = folder.glob("*.db")
    rows = sqlite3.connect(file).execute("SELECT metrics FROM metrics").fetchall()
    return {name for name in KNOWN for row in rows if f'"{name}"' in str(row)}


READERS: dict[Tracker, Callable[[Path], set[str]]] = {
    "tensorboard": of_tensorboard, "wandb": of_wandb, "mlflow": of_mlflow, "trackio": of_trackio,
}  # fmt: skip
NAMES = {"val_loss", "lr-Adam", "samples_per_s", "gpu_busy_percent", "gpu_temperature_c", "gpu_memory_gb"}
KNOWN = {"train_loss", *NAMES}


@pytest.mark.parametrize("tracker", READERS)
def test_a_run_is_tracked_without_a_network_and_without_a_secret(
    tracker: Tracker, card: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs(tracker)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # which mlflow itself sets for the process
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_MODE", "offline")
    training = Training(epochs=3, micro_batch_size=8, learning_rate=0.01, log_every_steps=1)
    run = RunSpec(
        experiment="toy", experiment_config=toy().config, training=training, data=[], seed=0, tracking=["csv", tracker]
    )
    said: list[str] = []
    train_lightning(toy(), run, tmp_path / "20260101_run" / "out", said.append)
    assert not [line for line in said if "tracking" in line]
    folder = tmp_path / "20260101_run" / "out" / "tracking" / tracker
    wait_for(lambda: READERS[tracker](folder) >= KNOWN, what="wandb's own process writes the last of it")
    assert not [path for path in folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


@pytest.mark.parametrize("tracker", [name for name in READERS if name != "trackio"])  # its folder is a process's
def test_a_command_s_losses_are_tracked_too(
    tracker: Tracker, card: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs(tracker)
    from gonogo.experiment.command import CommandExperiment

    for variable in ("WANDB_API_KEY", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("gonogo.training.program_record.EVERY_S", 0.0)
    (tmp_path / "my").mkdir()
    (tmp_path / "my/script.py").write_text(SCRIPT)
    (tmp_path / "data").mkdir()
    config = ExperimentConfig.model_validate({"command": command(), "kind": "text", "code": ["my"]})
    training = Training(epochs=2, micro_batch_size=2, log_every_steps=1)
    run = RunSpec(
        experiment="mine", experiment_config=config, training=training, data=[tmp_path / "data"], seed=0,
        tracking=[tracker], max_steps=20,
    )  # fmt: skip
    said: list[str] = []
    train(CommandExperiment("mine", config, tmp_path), run, tmp_path / "run" / "out", said.append)
    assert not [line for line in said if "tracking" in line]
    folder = tmp_path / "run" / "out" / "tracking"
    wait_for(lambda: READERS[tracker](folder / tracker) >= {"train_loss", "gpu_busy_percent"})
    assert (folder / "gauges.csv").read_text().startswith("seconds,step,train_loss,val_loss,step_s,samples_per_s,gpu_")


def test_a_tracker_without_its_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda module: None)
    assert missing(["csv"]) == ""
    assert missing(["csv", "wandb"]) == (
        "tracking: wandb: its package is not installed here: pip install 'wandb>=0.18', or remove it from `tracking`"
    )


def test_a_tracker_that_fails_is_given_up_and_ends_no_run() -> None:
    said: list[str] = []

    class Failing(DummyLogger):
        def log_metrics(self, *_: object, **__: object) -> None:
            raise OSError("No space left on device")

    logger = SafeLogger("tensorboard", Failing, said.append)
    logger.log_metrics({"loss": 1.0}, 1)
    logger.log_metrics({"loss": 1.0}, 2)
    logger.finalize("success")
    assert said == ["🟡 CAUTION tracking: tensorboard is switched off: OSError: No space left on device"]
