"""The table for machines: a row for every picture, with everything that was measured of it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.judge import judge
from gonogo.quality.registry import kind_of
from gonogo.quality.table import table

from .conftest import measure_views
from .scenes import make_scene, write


def test_every_picture_has_its_row(tmp_path: Path) -> None:
    scenes = [make_scene(seed) for seed in range(5)]
    scenes[3].views = [(0.05 * view).astype(np.uint8) for view in scenes[3].views]
    data = measure_views([write(tmp_path / "data", scenes)])
    with table(tmp_path / "items.csv") as add:
        judge(data, QualityGate(), each=lambda finding: [add(row) for row in kind_of("views").rows(finding)] and None)
    with (tmp_path / "items.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 5 * 9
    assert all(Path(row["path"]).exists() for row in rows)
    views = [row for row in rows if row["view"]]
    dark = [row for row in views if row["checks"] == "dark"]
    assert len(dark) == 8 and {row["scene"] for row in dark} == {"image_0003"}
    assert {row["status"] for row in dark} == {"NO_GO"}
    assert {row["status"] for row in rows if row not in dark} == {"GO"}
    assert float(dark[0]["mean"]) < 0.1 * float(dark[0]["input_mean"])
    for name in ("angle_deg", "nearer_than_others", "thumbnail_difference", "sha256", "noise_sigma", "input_p95"):
        assert all(row[name] != "" for row in views), name


def test_a_picture_that_cannot_be_read_keeps_its_row(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", [make_scene(seed) for seed in range(3)])
    (folder / "image_0000" / "input.png").write_bytes(b"")
    data = measure_views([folder])
    with table(tmp_path / "items.csv") as add:
        judge(data, QualityGate(), each=lambda finding: [add(row) for row in kind_of("views").rows(finding)] and None)
    with (tmp_path / "items.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert (rows[0]["status"], rows[0]["checks"], rows[0]["mean"]) == ("NO_GO", "unreadable", "")
    assert rows[9]["mean"] != ""  # the columns do not depend on what comes first
