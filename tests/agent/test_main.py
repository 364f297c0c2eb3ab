"""The agent's command line, on every Python that a machine may have."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gonogo import agent
from tests.remote.workspace import Workspace, end_all
from tests.waiting import LIMIT_S


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path)
    yield workspace
    end_all(tmp_path)


@pytest.mark.parametrize("path", sorted(Path(agent.__file__).parent.glob("*.py")), ids=lambda path: path.name)
def test_standard_library_only_and_the_syntax_of_python_3_8(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 8))):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= set(sys.stdlib_module_names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 1 or (node.module or "").partition(".")[0] in sys.stdlib_module_names


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.12", "3.13"])
def test_runs_on_other_pythons(version: str, work: Workspace) -> None:
    python = shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "-V"], capture_output=True, check=False, timeout=LIMIT_S).returncode:
        pytest.skip(f"no python{version} here")
    work.python = python
    (work.folder / "data").mkdir()
    (work.folder / "data" / "x").write_text("x")
    assert list(work.call("manifest", "data")) == ["x"]
    assert work.launch(["echo", "hello"])["state"] == "started"
    assert work.ended()["cause"] == "finished"
    assert work.log() == ["hello"]
