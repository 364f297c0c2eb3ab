"""A stage begins with the checkpoint of the stage before, or not at all."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from experiments.cad_mllm.model import trainable
from experiments.cad_mllm.predict import load
from gonogo.base.errors import UserError
from gonogo.training.lightning_run import train_lightning
from gonogo.training.spec import RunSpec
from tests.experiments.cad_mllm.small import TRAINING, experiment_of, kept, new_module, settings_of

STEPS = 4


def run_stage(stage: str, assets: Path, parts: Path, out: Path, starts_from: Path | None = None) -> Path:
    """The stage, trained by gonogo's own trainer; its last checkpoint."""
    experiment = experiment_of(stage, assets, starts_from="before" if starts_from else None)
    experiment.starts_from = starts_from
    spec = RunSpec(
        experiment=experiment.name, experiment_config=experiment.config, training=TRAINING, data=[parts], seed=0,
        max_steps=STEPS,
    )  # fmt: skip
    train_lightning(experiment, spec, out, lambda line: None)
    return out / "checkpoints/last.ckpt"


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return torch.load(checkpoint, weights_only=True)["state_dict"]


def test_a_checkpoint_holds_what_learns_and_says_what_it_is(assets: Path, tmp_path: Path) -> None:
    module = new_module("points", assets)
    saved = torch.load(kept(module, tmp_path / "a.ckpt"), weights_only=True)
    assert set(saved["state_dict"]) == set(trainable(module))
    assert saved["cad"]["stages"] == ["text+points"] and saved["cad"]["base"] == module.model.base_digest != ""


def test_a_stage_takes_over_what_was_learned_and_begins_the_rest_afresh(assets: Path, tmp_path: Path) -> None:
    first = new_module("text", assets)
    with torch.no_grad():
        for parameter in trainable(first).values():
            parameter.add_(torch.randn_like(parameter))
    path = kept(first, tmp_path / "text.ckpt")
    second, fresh = new_module("points", assets, path), new_module("points", assets)
    taken = weights(path)
    for name, parameter in trainable(second).items():
        same = taken[name] if name in taken else trainable(fresh)[name]
        assert torch.equal(parameter, same), name
    assert second.stages_before == ["text"]
    third = new_module("image", assets, kept(second, tmp_path / "points.ckpt"))
    assert third.stages_before == ["text", "text+points"]
    name = "model.projectors.points.1.weight"
    assert torch.equal(trainable(third)[name], trainable(second)[name])


def test_a_missing_checkpoint_is_an_error(assets: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"stage1.ckpt: no such checkpoint. Train the previous stage first"):
        new_module("points", assets, tmp_path / "stage1.ckpt")


def test_checkpoints_that_do_not_belong_are_refused(assets: Path, tmp_path: Path) -> None:
    other = kept(new_module("text", assets, lora={"r": 2, "alpha": 4}), tmp_path / "rank.ckpt")
    with pytest.raises(UserError, match="different settings"):
        new_module("points", assets, other)
    later = kept(new_module("points", assets), tmp_path / "later.ckpt")
    with pytest.raises(UserError, match=r"has more parts than this stage: projectors.points"):
        new_module("text", assets, later)
    random = kept(new_module("text", None), tmp_path / "random.ckpt")
    with pytest.raises(UserError, match="its adapters belong to base ''"):
        new_module("points", assets, random)
    with pytest.raises(UserError, match="belongs to another stage or model"):
        load(later, settings_of("text"), assets)
    (tmp_path / "half.ckpt").write_bytes(other.read_bytes()[:200])
    with pytest.raises(UserError, match="not a readable checkpoint of a CAD model"):
        new_module("points", assets, tmp_path / "half.ckpt")


def test_stages_in_one_go_and_one_by_one_give_the_same_checkpoints(assets: Path, parts: Path, tmp_path: Path) -> None:
    """Two and three after each other in one process; then three alone, in a later one's place, from the kept file."""
    one = run_stage("text", assets, parts, tmp_path / "one")
    two = run_stage("points", assets, parts, tmp_path / "two", one)
    three = run_stage("image", assets, parts, tmp_path / "three", two)
    torch.manual_seed(987)  # whatever went on before
    again = run_stage("image", assets, parts, tmp_path / "again", two)
    assert set(weights(three)) == set(weights(again))
    assert all(torch.equal(value, weights(again)[name]) for name, value in weights(three).items())
    elsewhere = run_stage("image", assets, parts, tmp_path / "elsewhere", one)
    assert any(not torch.equal(value, weights(elsewhere)[name]) for name, value in weights(three).items())


def test_losses_are_kept_without_a_network(
    assets: Path, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr("socket.socket.connect", no_network)
    run_stage("text", assets, parts, tmp_path)
    with (tmp_path / "metrics.csv").open() as file:
        assert any(row["val_loss"] for row in csv.DictReader(file))


def test_training_never_begins_afresh_where_a_checkpoint_was_asked_for(
    assets: Path, parts: Path, tmp_path: Path
) -> None:
    experiment = experiment_of("points", assets, starts_from="cad_text")
    spec = RunSpec(
        experiment=experiment.name, experiment_config=experiment.config, training=TRAINING, data=[parts], seed=0,
        max_steps=1,
    )  # fmt: skip
    with pytest.raises(UserError, match="starts_from: cad_text"):
        train_lightning(experiment, spec, tmp_path, lambda line: None)
