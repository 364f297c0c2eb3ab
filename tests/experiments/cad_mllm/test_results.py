from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from experiments.cad_mllm.data import find_items, read_record
from experiments.cad_mllm.datamodule import CADDataModule
from experiments.cad_mllm.export import ADAPTERS, FACTS, PROJECTORS, export, load_export
from experiments.cad_mllm.export import main as export_main
from experiments.cad_mllm.infer import infer
from experiments.cad_mllm.infer import main as infer_main
from experiments.cad_mllm.model import trainable
from experiments.cad_mllm.predict import gains_told, predict
from gonogo.base.errors import UserError
from tests.experiments.cad_mllm.small import TRAINING, experiment_of, kept, new_module, settings_of


@pytest.fixture(scope="module")
def checkpoint(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the last stage, its adapters and projectors anything but zero."""
    module = new_module("image", assets)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in trainable(module).values():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return kept(module, tmp_path_factory.mktemp("checkpoint") / "last.ckpt")


def test_predictions_have_the_layout_of_the_data_and_every_metric(
    checkpoint: Path, assets: Path, parts: Path, tmp_path: Path
) -> None:
    settings = settings_of("image")
    found = predict(checkpoint, settings, assets, [parts], tmp_path, 0, 0.3)
    held_out = CADDataModule(settings, TRAINING, [parts], 0, 0.3).val_items
    assert {item.name for item in find_items([tmp_path])} == {item.name for item in held_out}
    for item in held_out:
        assert json.loads((tmp_path / item.name).read_text())["caption"] == read_record(item)["caption"]
        assert (tmp_path / item.name).with_suffix(".npy").read_bytes() == item.with_suffix(".npy").read_bytes()
    assert found["skill"] < 1 and 0 <= found["valid"] <= 1 and 0 <= found["overlap"] <= 1
    assert found["points_gain_low"] < found["points_gain"] < found["points_gain_high"]
    assert "withholding points costs" in (tmp_path / "readme.md").read_text()
    assert found == predict(checkpoint, settings, assets, [parts], tmp_path / "again", 0, 0.3)


def test_a_gain_within_chance_is_said_to_be_so() -> None:
    def told(low: float, high: float) -> str:
        return gains_told({"points_gain": (low + high) / 2, "points_gain_low": low, "points_gain_high": high})[0]

    assert told(0.01, 0.05).endswith(": significant")
    assert told(-0.01, 0.05).endswith("not significant")
    assert told(-0.05, -0.01).endswith("it does harm, significantly")


def test_what_is_exported_gives_equal_outputs(checkpoint: Path, assets: Path, parts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "deployed"
    assert export_main([str(checkpoint), str(folder), "--assets", str(assets)]) == 0
    assert {ADAPTERS, PROJECTORS, FACTS, "adapter_config.json"} <= {path.name for path in folder.iterdir()}
    assert json.loads((folder / FACTS).read_text())["stages"] == ["text+points+image"]
    model = new_module("image", assets)
    model.load_state_dict(torch.load(checkpoint, weights_only=True)["state_dict"], strict=False)
    batch = next(iter(CADDataModule(settings_of("image"), TRAINING, [parts], 0, 0.3).val_dataloader()))
    with torch.no_grad():
        expected = model.eval().model.probabilities(batch)
        assert torch.equal(load_export(folder, assets).probabilities(batch), expected)
        assert not torch.equal(new_module("image", assets).eval().model.probabilities(batch), expected)


def test_an_export_knows_its_base(checkpoint: Path, assets: Path, tmp_path: Path) -> None:
    export(checkpoint, assets, tmp_path / "deployed")
    other = tmp_path / "other"
    other.mkdir()
    state = torch.load(assets / "base.pt", weights_only=True)
    torch.save({key: value + 1 for key, value in state.items()}, other / "base.pt")
    with pytest.raises(UserError, match="its adapters belong to base"):
        load_export(tmp_path / "deployed", other)


def test_a_trained_checkpoint_writes_a_program(
    checkpoint: Path, assets: Path, parts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = ["--points", str(parts / "part_000000.npy"), "--image", str(parts / "part_000000.png")]
    assert infer_main([str(checkpoint), "a plate 30 wide", "--assets", str(assets), *seen]) == 0
    program, verdict = capsys.readouterr().out.splitlines()[-2:]
    assert program and (verdict.startswith("volume") or verdict.startswith("builds no solid"))
    with pytest.raises(UserError, match=r"also reads --points, --image"):
        infer(checkpoint, assets, "a plate")


def test_the_picture_shows_truth_above_prediction(parts: Path, tmp_path: Path) -> None:
    experiment = experiment_of("text")
    batch = next(iter(experiment.datamodule(TRAINING, [parts], 0).train_dataloader()))
    experiment.show(batch, batch["target"], tmp_path / "a" / "predictions.png")
    picture = Image.open(tmp_path / "a" / "predictions.png")
    assert picture.size == (4 * 64, 2 * 64)
    upper, lower = picture.crop((0, 0, 256, 64)), picture.crop((0, 64, 256, 128))
    assert upper.tobytes() == lower.tobytes() and upper.getextrema()[1] > 100


def test_a_caption_in_a_file_brings_the_cloud_and_the_picture_beside_it(
    checkpoint: Path, assets: Path, parts: Path, tmp_path: Path
) -> None:
    part = find_items([parts])[0]
    (tmp_path / "plate.txt").write_text(read_record(part)["caption"])
    for ending in (".npy", ".png"):
        (tmp_path / f"plate{ending}").write_bytes(part.with_suffix(ending).read_bytes())
    (file,) = experiment_of("image", assets).infer(checkpoint, str(tmp_path / "plate.txt"), tmp_path / "out", 0)
    assert file.name == "plate.txt" and file.read_text().strip()
    with pytest.raises(UserError, match=r"gone.txt: not there; give a caption"):
        experiment_of("image", assets).infer(checkpoint, "gone.txt", tmp_path, 0)
