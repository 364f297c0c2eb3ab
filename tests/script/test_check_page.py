"""What the documents say about `gonogo check`, followed to the letter."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from gonogo import check_script
from gonogo.cli.main import main
from gonogo.verdict import Status
from tests.conftest import ROOT

PAGE = (ROOT / "docs/bring-your-own.md").read_text()
(SECTION,) = re.findall(r"^## Your script, as it is\n(.*?)^## ", PAGE, re.S | re.M)
LINES = re.findall(r"^(gonogo check .*?)\s+# (GO|NO-GO)(?: ([A-Z]+))?", SECTION, re.M)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (script,) = re.findall(r"^`train.py`\n\n```python\n(.*?)^```", SECTION, re.S | re.M)
    (tmp_path / "train.py").write_text(script)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def test_the_page_shows_what_this_file_runs() -> None:
    assert len(LINES) == 3 and any("--html" in line for line, *_ in LINES)


@pytest.mark.parametrize(
    ("line", "word", "cause"),
    [pytest.param(*row, id=row[0], marks=() if "--html" in row[0] else pytest.mark.slow) for row in LINES],
)
def test_each_line_of_the_page(repository: Path, line: str, word: str, cause: str) -> None:
    words = shlex.split(line)
    words[2:2] = ["--json", "../found.json", "--junit", "../found.xml", "--sarif", "../found.sarif"]
    assert main(words[1:]) == (0 if word == "GO" else 1)
    found = json.loads((repository.parent / "found.json").read_text())
    (run,) = json.loads((repository.parent / "found.sarif").read_text())["runs"]
    places = [
        place["physicalLocation"]["artifactLocation"]["uri"] for one in run["results"] for place in one["locations"]
    ]
    assert set(places) <= {"train.py"} and len(run["tool"]["driver"]["rules"]) == len(found["checks"])
    assert (found["status"], found["cause"]) == (word.replace("-", "_"), cause)
    assert {part["name"]: part["status"] for part in found["parts"]}["memory"] == "GO"
    assert {path.name for path in repository.iterdir()} <= {"train.py", "verdict.html"}  # nothing else is written
    if "--html" in line:
        assert "data:image/svg+xml" in (repository / "verdict.html").read_text()


def test_from_python_a_fault_is_named(repository: Path) -> None:
    script = repository / "train.py"
    script.write_text(script.read_text().replace("        optimizer.zero_grad()\n", ""))
    verdict = check_script("python train.py", card="l4")
    assert (verdict.status, verdict.cause) == (Status.NO_GO, "WIRING")
    assert "never zeroed" in verdict.summary and "train.py:" in verdict.summary
