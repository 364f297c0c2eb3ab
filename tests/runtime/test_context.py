"""What a run was configured with: composed from files and modes, saved with the run, and read back from the Trainer."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
import yaml

from gonogo.config.load import load
from gonogo.runtime.context import Run
from gonogo.stages.upload import run_spec
from gonogo.training.spec import RunSpec
from gonogo.training.trainer import make_trainer
from tests.conftest import ROOT
from tests.toy import toy


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Of an experiment that extends another, in a mode that changes a key."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    mine = {
        "extends": "vqgan3d",
        "settings": {"model": {"hidden": 16}},
        "training": {"precision": "bf16-mixed"},
        "modes": {"long": {"training": {"epochs": 77}}},
    }
    (tmp_path / "config/experiments/mine.yaml").write_text(yaml.safe_dump(mine))
    monkeypatch.chdir(tmp_path)
    asked = {"experiments": "mine", "mode": "long", "seed": "5"}  # as --config gives them
    return Run("upload", "mine", io.StringIO(), "long", load(asked, tmp_path))


def test_overrides_reach_the_runs_saved_configuration(run: Run) -> None:
    saved = RunSpec.model_validate_json(run_spec(run).model_dump_json(by_alias=True))
    assert saved.seed == 5 and saved.training.epochs == 77 and saved.training.precision == "bf16-mixed"
    settings = saved.experiment_config.settings
    assert settings["model"]["hidden"] == 16  # of this file
    assert settings["patches"]["size"] == [24, 24, 16] and saved.training.micro_batch_size == 4  # of the one below


def test_the_trainer_is_set_up_as_the_configuration_says(tmp_path: Path) -> None:
    from tests.training.test_run import TRAINING, spec

    keys = {
        "epochs": 30, "gradient_clip_val": 0.7, "accumulate_grad_batches": 3, "validations_per_epoch": 4,
        "precision": "16-true",
    }  # fmt: skip
    trainer = make_trainer(toy(), spec(training=TRAINING.model_copy(update=keys)), tmp_path)
    assert trainer.num_devices == 1 and trainer.max_epochs == 30
    assert trainer.gradient_clip_val == 0.7 and trainer.accumulate_grad_batches == 3
    assert trainer.val_check_interval == 0.25 and trainer.precision == "16-true"
