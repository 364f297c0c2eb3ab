"""Keys of an experiment that the command line changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.base.commands import remember_options, rerun_command
from gonogo.base.errors import UserError
from gonogo.config.experiment import StartFile
from gonogo.config.load import load
from gonogo.experiment.load import load_experiment
from tests.config.test_load import edit


def test_keys_of_the_command_line_are_a_mode_of_their_own(site: Path) -> None:
    raw = {"experiments": "cvs", "mode": "fast", "epochs": 75, "micro_batch_size": 24}
    settings = load({**raw, "training": {"learning_rate": "2e-4"}, "settings": {"data.image_size": "32"}}, site)
    assert settings.config.mode == "custom"
    training = settings.training("cvs")
    assert (training.epochs, training.micro_batch_size, training.learning_rate) == (75, 24, 2e-4)
    assert settings.experiments["cvs"].settings["data"]["image_size"] == 32
    plain = load({"experiments": "cvs", "mode": "fast"}, site)
    assert training.weight_decay == plain.training("cvs").weight_decay
    assert {**settings.experiments["cvs"].settings["data"], "image_size": 64} == plain.experiments["cvs"].settings[
        "data"
    ]
    assert settings.paths("cvs").in_mode.name == "custom"


def test_what_is_wrong_with_them_is_named(site: Path) -> None:
    with pytest.raises(UserError, match=r"training.epochs: 'many' is wrong"):
        load({"epochs": "many"}, site)
    with pytest.raises(UserError, match=r"epoch: unknown key 'epoch'; did you mean 'epochs'"):
        load({"epoch": 3}, site)
    settings = load({"experiments": "cvs", "settings": {"data.image_siz": "32"}}, site)
    with pytest.raises(UserError, match=r"cvs.yaml or --config: settings.data.image_siz: .*did you mean 'image_size'"):
        load_experiment("cvs", settings.experiments["cvs"], site)
    edit(site / "config/experiments/cvs.yaml", modes={"validate": {}, "custom": {}})
    with pytest.raises(UserError, match=r"cvs.yaml: modes.custom: keys of --config make a mode of this name"):
        load({"epochs": 3}, site)


def test_each_stage_of_a_curriculum_has_its_own_epochs_and_rate(site: Path) -> None:
    stages = {"cad_mllm_points": {"epochs": "1", "learning_rate": "2e-4"}, "cad_mllm.epochs": 2}
    settings = load({"experiments": "cad_mllm", "epochs": 3, "stages": stages}, site)
    assert list(settings.experiments) == ["cad_mllm_text", "cad_mllm_points", "cad_mllm"]
    assert [settings.training(name).epochs for name in settings.experiments] == [3, 1, 2]
    rates = [settings.training(name).learning_rate for name in settings.experiments]
    assert rates[1] == 2e-4 and rates[0] != 2e-4 and settings.config.mode == "custom"


def test_a_curriculum_begins_at_a_checkpoint_of_the_stage_before(site: Path) -> None:
    (site / "stage1.ckpt").touch()
    raw = {"experiments": "cad_mllm", "stages": {"cad_mllm_points": {"starts_from": "stage1.ckpt", "epochs": 1}}}
    settings = load(raw, site)
    assert list(settings.experiments) == ["cad_mllm_points", "cad_mllm"]
    assert settings.experiments["cad_mllm_points"].starts_from == StartFile(checkpoint=Path("stage1.ckpt"))
    (site / "stage1.ckpt").unlink()
    with pytest.raises(UserError, match=r"^stages.cad_mllm_points.starts_from: stage1.ckpt: no such file"):
        load(raw, site)
    with pytest.raises(UserError, match=r"stages: unknown 'cad_mllm_point'; did you mean 'cad_mllm_points'"):
        load({"experiments": "cad_mllm", "stages": {"cad_mllm_point": {"epochs": 1}}}, site)
    with pytest.raises(UserError, match=r"stages.cad_mllm.epoch: .*did you mean 'epochs'"):
        load({"experiments": "cad_mllm", "stages": {"cad_mllm": {"epoch": 1}}}, site)


def test_the_command_to_paste_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GONOGO_SNAKEMAKE_OPTIONS", raising=False)
    monkeypatch.delenv("GONOGO_CONFIG_CHANGES", raising=False)
    words = ["--profile", "local", "--config", "experiments=a,b", "mode=fast", "epochs=75", "settings={x.y: 3}", "-n"]
    remember_options(words)
    said = rerun_command(experiments="a", mode="custom", target="local")
    assert said.startswith("snakemake --profile local --config experiments=a mode=fast epochs=75 'settings={x.y: 3}'")
    assert "custom" not in said and said.endswith("target=local")
