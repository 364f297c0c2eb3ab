"""docs/ci.md, followed to the letter."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import yaml
from PIL import Image

from gonogo.cli.main import main
from tests.conftest import ROOT
from tests.waiting import LIMIT_S

PAGE = (ROOT / "docs/ci.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)
    return found


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stranger's: 40 pictures, and the page's step as a module."""
    rng = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    rows, columns = np.mgrid[:96, :96]
    for number in range(40):
        wave = 70 * np.sin(columns / rng.uniform(4, 20)) * np.cos(rows / rng.uniform(4, 20))
        pixels = wave[..., None] + rng.normal(0, 10, (96, 96, 3)) + rng.uniform(90, 160, 3)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(tmp_path / f"data/{number}.png")
    (tmp_path / "train_step.py").write_text(block("python"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_job_s_commands_pass_and_write_their_reports(repository: Path) -> None:
    steps = yaml.safe_load(block("yaml"))["jobs"]["gates"]["steps"]
    commands = [shlex.split(step["run"]) for step in steps if step.get("run", "").startswith("gonogo")]
    assert [main(words[1:]) for words in commands] == [0, 0]
    for report in ("gates-data.xml", "gates-memory.xml"):
        suite = ET.parse(repository / report).getroot()
        assert int(suite.get("tests", 0)) == len(suite.findall("testcase")) > 0
        assert suite.get("failures") == suite.get("errors") == "0"
    (upload,) = [step["with"] for step in steps if "upload-sarif" in step.get("uses", "")]
    (run,) = json.loads((repository / upload["sarif_file"]).read_text())["runs"]
    assert run["tool"]["driver"]["rules"] and all(one["level"] == "note" for one in run["results"])


@pytest.mark.slow
def test_the_pytest_example_passes_and_fails_where_the_data_is_black(repository: Path) -> None:
    (repository / "test_gates.py").write_text(block("python"))
    run = [sys.executable, "-m", "pytest", "-q", "test_gates.py", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        run, cwd=repository, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT_S
    )
    assert done.returncode == 0, done.stdout
    for picture in (repository / "data").glob("*.png"):
        Image.new("RGB", (96, 96)).save(picture)
    done = subprocess.run(
        [*run, "-k", "data"],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert done.returncode == 1 and "black" in done.stdout
