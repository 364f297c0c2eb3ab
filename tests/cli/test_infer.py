"""`gonogo infer`: what a trained model makes of one new input, for every shipped experiment and for commands."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from gonogo.base.errors import UserError
from gonogo.cli.main import main
from gonogo.config.load import load
from gonogo.experiment.load import load_experiment
from gonogo.experiment.script_files import INFERENCE
from gonogo.runtime.context import Run
from tests.conftest import ROOT
from tests.experiments.eeg.recordings import SMALL as EEG
from tests.experiments.vqgan3d.volumes import SMALL, write_phantoms
from tests.stages.conftest import stage_run

__all__ = ["stage_run"]

VQGAN3D = {"model": SMALL["model"]}
CVS = {"data": {"image_size": 32, "views": 4, "fit_steps": 4}, "model": {"base_channels": 8}}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, dict[str, object]], Path]:
    """Writes a small experiment that extends a shipped one, and a checkpoint of its fresh model."""

    def made(name: str, settings: dict[str, object]) -> Path:
        for folder in ("config", "experiments"):
            shutil.copytree(ROOT / folder, tmp_path / folder, dirs_exist_ok=True)
        (tmp_path / "resources").symlink_to(ROOT / "resources")
        file = tmp_path / "config/experiments/small.yaml"
        file.write_text(yaml.safe_dump({"extends": name, "settings": settings}))
        monkeypatch.chdir(tmp_path)
        config = load({"experiments": "small"}, tmp_path).experiments["small"]
        assets = tmp_path / "results/small/assets"
        assets.mkdir(parents=True)
        experiment = load_experiment("small", config, tmp_path, assets)
        if name == "cvs":
            experiment.prepare(assets, 0)
        module = experiment.module(config.training)  # type: ignore[attr-defined]
        torch.save({"state_dict": module.state_dict(), "pytorch-lightning_version": "2.0.0"}, tmp_path / "best.ckpt")
        return tmp_path

    return made


def infer(given: str) -> int:
    return main(["infer", "small", given, "--checkpoint", "best.ckpt"])


def test_a_photograph_gives_its_views(site: Callable[..., Path]) -> None:
    folder = site("cvs", CVS)
    photograph = folder / "IMG [1].jpg"
    shutil.copyfile(next((folder / "resources/photographs").glob("*.jpg")), photograph)
    Image.new("RGB", (64, 64)).save(folder / "IMG [1] (2).jpg")  # another one, whose name begins alike and comes first
    assert infer(str(photograph)) == 0
    views = sorted((folder / "inferred/small" / photograph.stem).glob("view_*/rgb.png"))
    assert len(views) == 4 and all(Image.open(view).size == (32, 32) for view in views)
    assert np.asarray(Image.open(folder / "inferred/small" / photograph.stem / "input.png")).mean() > 5


def test_a_volume_gives_its_reconstruction(site: Callable[..., Path]) -> None:
    folder = site("vqgan3d", VQGAN3D)
    (scan,) = write_phantoms(folder / "scans", range(1)).rglob("*.nii*")
    assert infer(str(scan)) == 0
    assert (folder / "inferred/small" / scan.name).stat().st_size > 1000


def test_a_recording_gives_a_prediction_for_each_window(site: Callable[..., Path]) -> None:
    from tests.experiments.eeg.recordings import experiment, generate

    folder = site("eeg", EEG)
    recording = next(generate(experiment(), folder / "recordings", items=1).rglob("*.h5"))
    assert infer(str(recording)) == 0
    rows = list(csv.DictReader((folder / f"inferred/small/{recording.stem}.csv").open()))
    assert [row["window"] for row in rows] == ["0", "1", "2", "3"]
    assert np.isfinite([float(row["predicted"]) for row in rows]).all()


def test_an_edf_recording_is_cut_into_windows(site: Callable[..., Path]) -> None:
    from experiments.eeg.recorded import all_windows
    from tests.experiments.eeg.recordings import experiment
    from tests.experiments.eeg.test_recorded import edf

    folder = site("eeg", EEG)
    edf(folder / "new.edf", 100, channels=4, seconds=3)
    assert infer("new.edf") == 0
    assert len((folder / "inferred/small/new.csv").read_text().splitlines()) == 1 + 300 // 64
    edf(folder / "other.edf", 100, channels=3)
    with pytest.raises(UserError, match=r"other\.edf: 3 channels, where settings.data.channels says 4"):
        all_windows(Path("other.edf"), experiment().settings.data)


def test_a_command_predicts_for_it(stage_run: Callable[..., Run], capsys: pytest.CaptureFixture[str]) -> None:
    stage_run("predict")
    Path("best.ckpt").write_text("3")
    Path("new.txt").write_text("an item")
    assert main(["infer", "mine", "new.txt", "--checkpoint", "best.ckpt", "--mode", "mine"]) == 0
    assert Path("inferred/mine/item_0.txt").read_text() == "predicted"
    assert "inferred/mine/metrics.json" in capsys.readouterr().out


def test_before_a_run_was_downloaded_it_says_what_to_do(
    stage_run: Callable[..., Run], capsys: pytest.CaptureFixture[str]
) -> None:
    stage_run("predict")
    assert main(["infer", "mine", "new.txt", "--mode", "mine"]) == 1
    assert "mine: no run was downloaded yet; train it (snakemake" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["gone.nii.gz", "gone.h5"])
def test_an_input_that_is_not_there_is_named(
    given: str, site: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    name, settings = {"gz": ("vqgan3d", VQGAN3D), "h5": ("eeg", EEG)}[given.rpartition(".")[2]]
    site(name, settings)
    assert infer(given) == 1
    assert f"error: {given}: not there; give a" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "given"), [("vqgan3d", "scan.nii.gz"), ("cad_mllm_text", "part.txt")])
def test_nothing_that_is_inferred_replaces_its_own_input(name: str, given: str, tmp_path: Path) -> None:
    (tmp_path / given).write_text("mine")
    experiment = load_experiment(name, load({"experiments": name}, ROOT).experiments[name], ROOT, tmp_path)
    with pytest.raises(UserError, match="would replace it; name another folder with --out"):
        experiment.infer(tmp_path / "best.ckpt", str(tmp_path / given), tmp_path, 0)
    assert (tmp_path / given).read_text() == "mine"


def test_inference_repeats_no_training() -> None:
    for name in ("cvs", "vqgan3d", "eeg", "cad_mllm_text"):
        experiment = load_experiment(name, load({"experiments": name}, ROOT).experiments[name], ROOT)
        assert "infer.py" not in {file.name for file in experiment.source_files_of("train")}
        assert "infer.py" in {file.name for file in experiment.source_files_of("predict")}
    assert "infer" in INFERENCE
