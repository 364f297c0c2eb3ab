"""docs/bring-your-own.md, "The chain in your repository", to the letter: in a repository of its own."""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gonogo.runtime import ledger
from gonogo.verdict import Status, Verdict
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

BLOCK = re.compile(r"(?:^`(?P<file>[\w/.]+)`\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
GATES = ["generator", "quality/sample", "quality/dataset", "learning"]
IN_MODE = ["memory", "launch", "canary", "results"]


def run(folder: Path, lines: str, code: int = 0, path: str = str(ROOT)) -> str:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GONOGO_")}
    environment = {
        **kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}", "PYTHONPATH": path,
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-euc", lines], cwd=folder, env=environment, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == code and "Traceback" not in done.stdout, done.stdout[-6000:]
    return done.stdout


def section(title: str) -> str:
    """A part of docs/bring-your-own.md, by how its title begins."""
    page = (ROOT / "docs/bring-your-own.md").read_text()
    (found,) = [part for part in re.split(r"^## ", page, flags=re.M) if part.startswith(title)]
    return found


def page_files(title: str) -> dict[str, str]:
    """Files that a part of the page shows: name → text."""
    return {block["file"]: block["text"] for block in BLOCK.finditer(section(title)) if block["file"]}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Brought from its first file to its report, in a folder whose name has a blank."""
    folder = tmp_path_factory.mktemp("my shapes")
    run(folder, "git init -q && printf 'data/\n' > .gitignore")
    for block in BLOCK.finditer(section("The chain in your repo")):
        if block["file"]:
            (folder / block["file"]).write_text(block["text"])
            run(folder, f"git add {block['file']}")
        elif block["language"] == "bash":
            if "sed" in block["text"]:
                (config,) = (folder / "config/experiments").glob("*.yaml")
                (folder / "before.txt").write_text(config.read_text())
            print(run(folder, block["text"]))
    return folder


def verdict(repository: Path, gate: str) -> Verdict:
    (experiment,) = [path for path in (repository / "results").iterdir() if path.name.startswith("my_shapes")]
    folder = experiment / ("validate" if gate in IN_MODE else "")
    return Verdict.read(max(folder.glob(f"{gate}*/verdict.json"), key=lambda path: path.stat().st_mtime))


def test_three_commands_and_one_line_bring_it_to_its_report(repository: Path) -> None:
    (config,) = (repository / "config/experiments").glob("*.yaml")
    lines = [(repository / "before.txt").read_text().splitlines(), config.read_text().splitlines()]
    edited = [line for line in difflib.ndiff(*lines) if line.startswith("+ ")]
    assert len(edited) == 1
    assert all(verdict(repository, gate).status.passes for gate in [*GATES, *IN_MODE])
    assert verdict(repository, "learning").status is Status.GO
    assert len(verdict(repository, "learning").checks) > 10
    (archive,) = (repository / "archive").glob("*/[!.]*")
    assert (archive / "out/model.pt").stat().st_size > 1000
    assert (archive / "out/steps.csv").read_text().startswith("step,train_loss,seconds\n1,")


def test_nothing_of_the_repository_was_copied_or_changed(repository: Path) -> None:
    assert run(repository, "git diff").strip() == ""
    made = run(repository, "git status --porcelain --untracked-files=normal").split()
    assert set(made[1::2]) - {"A", "??"} <= {
        "Snakefile", "config/", "profiles/", "local", "cloud", "slurm", "results/", "archive/", "before.txt",
        ".snakemake/", "draw.py", "train.py", "requirements.txt", ".gitignore",
    }  # fmt: skip
    pictures = [path for path in (repository / "results").rglob("0*.png") if not path.is_symlink()]
    assert [path for path in pictures if "instance" not in path.parts] == []
    assert list((repository / "data").rglob(".*")) == []


def test_changed_pictures_are_judged_again_and_a_note_is_not(repository: Path) -> None:
    rows = ledger.rows(repository / "results/ledger.sqlite")
    (repository / "notes.txt").write_text("a note")
    assert "Nothing to be done" in run(repository, "snakemake --profile local")
    for picture in (repository / "data/shapes/train/disc").iterdir():
        picture.write_bytes(b"no picture any more")
    run(repository, "snakemake --profile local", code=1)
    again = [row.stage for row in ledger.rows(repository / "results/ledger.sqlite")][len(rows) :]
    assert "sample" in again and "smoke_train" not in again
    assert not verdict(repository, "quality/sample").status.passes
