"""`gonogo inspect`, as a user or a script calls it: exit code, JSON, table, pictures, and errors that teach."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from .scenes import make_scene, write


def inspect(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gonogo", "inspect", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("good"), [make_scene(seed) for seed in range(10)])


@pytest.fixture(scope="module")
def dark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scenes = [make_scene(seed) for seed in range(10)]
    for scene in scenes[2:]:
        scene.views = [(0.05 * view).astype(np.uint8) for view in scene.views]
    return write(tmp_path_factory.mktemp("dark"), scenes)


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_good_data_goes(good: Path, tmp_path: Path) -> None:
    done = inspect(good, "--kind", "views", "--json", tmp_path / "found.json")
    assert done.returncode == 0, done.stderr
    found = read(tmp_path / "found.json")
    assert found["verdict"]["status"] == "GO"
    assert len(found["items"]) == 10 * 9
    assert {item["status"] for item in found["items"]} == {"GO"}
    assert all(Path(item["path"]).is_file() and item["checks"] == [] for item in found["items"])


def test_bad_data_does_not_and_every_file_is_named(dark: Path, tmp_path: Path) -> None:
    outputs = {name: tmp_path / name for name in ("found.json", "items.csv", "sheet.png", "shares.svg", "found.sarif")}
    done = inspect(
        dark, "--kind", "views", "--json", outputs["found.json"], "--table", outputs["items.csv"],
        "--sheet", outputs["sheet.png"], "--distributions", outputs["shares.svg"], "--sarif", outputs["found.sarif"],
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "views are black" in done.stdout and "The worst files" in done.stdout
    found = read(outputs["found.json"])
    assert found["verdict"]["status"] == "NO_GO"
    bad = {item["path"] for item in found["items"] if item["status"] == "NO_GO"}
    assert bad == {str(path) for path in dark.rglob("rgb.png") if path.parts[-3] not in ("image_0000", "image_0001")}
    assert all("dark" in item["checks"] for item in found["items"] if item["path"] in bad)
    assert len(found["worst"]) == 10 and all(row["checks"] for row in found["worst"])
    with outputs["items.csv"].open() as stream:
        assert sum(row["status"] == "NO_GO" for row in csv.DictReader(stream)) == len(bad)
    assert Image.open(outputs["sheet.png"]).width > 1000
    assert "dark" in outputs["shares.svg"].read_text()
    (run,) = read(outputs["found.sarif"])["runs"]
    result = next(one for one in run["results"] if "black" in one["message"]["text"])
    places = {place["physicalLocation"]["artifactLocation"]["uri"] for place in result["locations"]}
    assert (
        result["level"] == "error"
        and places
        and {Path(place.removeprefix("file://")) for place in places} <= {Path(path) for path in bad}
    ), result


def test_a_clean_sample_is_not_yet_an_answer(good: Path) -> None:
    done = inspect(good, "--kind", "views", "--sample")
    assert done.returncode == 2 and "8 more are needed" in " ".join(done.stdout.split())


def test_thresholds_can_be_given(dark: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate.yaml"
    gate.write_text("max_bad_items: 1\nmin_view_variance_ratio: 0\nmin_pairing_auc: 0\n")
    assert inspect(dark, "--kind", "views", "--gate", gate).returncode == 0
    gate.write_text("max_bad_item: 1\n")
    done = inspect(dark, "--kind", "views", "--gate", gate)
    assert done.returncode == 2 and "max_bad_item: unknown key" in done.stderr and "max_bad_items" in done.stderr


@pytest.mark.parametrize(
    ("kind", "said"), [("views", "no scene here"), ("images", "no picture here"), ("points", "no point cloud here")]
)
def test_a_kind_that_is_not_there_is_refused_by_name(tmp_path: Path, kind: str, said: str) -> None:
    for folder in (tmp_path / "empty", tmp_path / "other"):
        folder.mkdir()
    (tmp_path / "other" / "notes.doc").write_text("hello")
    for folder in ("empty", "other", "absent"):
        done = inspect(tmp_path / folder, "--kind", kind)
        assert done.returncode == 2 and "Traceback" not in done.stderr
        assert str(tmp_path / folder) in done.stderr
        assert (said if folder != "absent" else "no such folder") in done.stderr


def test_data_that_cannot_be_read_never_goes(good: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "data", [make_scene(seed) for seed in range(4)])
    for path in folder.rglob("rgb.png"):
        path.write_bytes(path.read_bytes()[:200])
    done = inspect(folder, "--kind", "views", "--json", tmp_path / "found.json")
    assert done.returncode == 1
    assert read(tmp_path / "found.json")["verdict"]["cause"] == "UNREADABLE"
