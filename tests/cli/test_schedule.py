from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from gonogo.cli.main import main


def test_a_curriculum_is_planned_around_its_download(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(root / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config/experiments/cad_mllm_points.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "data_ready": "2026-03-04T08:00:00"}))
    assert main(["schedule", "cad_mllm", "--start", "2026-03-02", "--hours", "5"]) == 0
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0].strip("| ") for row in rows] == ["cad_mllm_text", "cad_mllm_points", "cad_mllm"]
    assert rows[1][1:2] == ["Wed 04 Mar 08:00"] and rows[1][3].startswith("data")
    assert main(["schedule", "cad_mllm"]) == 1 and "no forecast" in capsys.readouterr().err
