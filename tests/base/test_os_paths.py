from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from gonogo.base.errors import UserError
from gonogo.base.os_paths import local
from gonogo.cli.next_actions import actions, as_text
from gonogo.config.experiment import ExperimentConfig
from gonogo.config.load import load, validate
from gonogo.experiment.pretrained import Asset
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("written", "here"),
    [
        (r"W:\a b", "/mnt/w/a b"),
        (r"W:\Courses\2025 Fall\data\set", "/mnt/w/Courses/2025 Fall/data/set"),
        ("c:/models/x.pt", "/mnt/c/models/x.pt"),
        (r"\\wsl$\Ubuntu\home\ada\x", "/home/ada/x"),
        (r"\\wsl.localhost\Ubuntu-24.04\srv", "/srv"),
        ("data/set", "data/set"),
        ("/mnt/w/a b", "/mnt/w/a b"),
        ("~/models", "~/models"),
    ],
)
def test_paths_as_wsl_calls_them(written: str, here: str) -> None:
    assert local(written, "posix") == here


@pytest.mark.parametrize(
    ("written", "here"),
    [("/mnt/w/a b", r"W:\a b"), ("/mnt/w", "W:\\"), (r"W:\a b", r"W:\a b"), ("/mnt/ware/x", "/mnt/ware/x")],
)
def test_paths_as_windows_calls_them(written: str, here: str) -> None:
    assert local(written, "windows") == here


def test_a_notebooks_drive_is_where_the_mounts_say() -> None:
    mounts = {"/content": "/scratch", "/content/drive/MyDrive": r"W:\Drive"}
    assert local("/content/drive/MyDrive/set/txt", "posix", mounts) == "/mnt/w/Drive/set/txt"
    assert local("/content/other", "posix", mounts) == "/scratch/other"
    assert local("/contents/other", "posix", mounts) == "/contents/other"


def test_a_configuration_of_a_notebook_is_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = {"class": "a:B", "inputs": "/content/drive/MyDrive/set"}
    monkeypatch.setenv("GONOGO_MOUNTS", "/content/drive/MyDrive=/srv/my drive; /content=/scratch")
    assert ExperimentConfig.model_validate(raw).inputs == Path("/srv/my drive/set")
    monkeypatch.setenv("GONOGO_MOUNTS", "/content")
    with pytest.raises(UserError, match=r"inputs: .* is wrong: GONOGO_MOUNTS: write '/content' as ELSEWHERE=HERE"):
        validate(ExperimentConfig, raw, "mine.yaml")


def test_configurations_may_be_written_on_windows() -> None:
    config = ExperimentConfig.model_validate({"class": "a:B", "inputs": r"W:\a b"})
    assert config.inputs == Path("/mnt/w/a b")
    assert Asset(path=r"C:\m.pt", min_bytes=1, max_bytes=2, source="x").path == Path("/mnt/c/m.pt")


def test_mounts_of_the_configuration_reach_every_path_of_an_experiments_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    mine = {
        "extends": "cad_mllm_text", "inputs": "/content/drive/MyDrive/Omni-CAD-subset",
        "settings": {"data": {"folders": {"txt": "./data/Omni-CAD-subset-complete/txt"}}},
    }  # fmt: skip
    (tmp_path / "config/experiments/mine.yaml").write_text(yaml.safe_dump(mine))
    mounts = {"/content/drive/MyDrive": r"W:\My Drive", "./data/Omni-CAD-subset-complete": "data/Omni-CAD-subset"}
    settings = load({"experiments": "mine", "mounts": mounts}, tmp_path)
    experiment = settings.experiments["mine"]
    assert experiment.inputs == Path("/mnt/w/My Drive/Omni-CAD-subset")
    assert experiment.settings["data"]["folders"]["txt"] == "data/Omni-CAD-subset/txt"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config/config.yaml").write_text(yaml.safe_dump({"mounts": mounts}))
    assert "inputs: /mnt/w/My Drive/Omni-CAD-subset is not there" in as_text(actions(Path(), ["mine"]))
