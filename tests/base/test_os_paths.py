from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.base.errors import UserError
from gonogo.base.os_paths import local
from gonogo.config.experiment import ExperimentConfig
from gonogo.config.load import validate
from gonogo.experiment.pretrained import Asset


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
