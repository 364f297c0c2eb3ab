"""The agent's archive: the same bytes for the same sources, and modules that need no circle."""

from __future__ import annotations

import ast
import io
import os
import shutil
import subprocess
import sys
import zipfile
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from gonogo import agent
from gonogo.remote import agent_archive
from tests.waiting import LIMIT_S

SOURCES = sorted(Path(agent.__file__).parent.glob("*.py"))


def test_the_same_sources_give_the_same_bytes_whatever_their_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(Path(agent.__file__).parent, tmp_path / "agent"))
    for path in copy.glob("*.py"):
        os.utime(path, (0, 0))
        path.chmod(0o600)
    monkeypatch.setattr(agent, "__file__", str(copy / "__init__.py"))
    build = agent_archive.archive.__wrapped__
    assert build() == agent_archive.archive()
    (copy / "gpu.py").write_text((copy / "gpu.py").read_text() + "\n")
    assert build() != agent_archive.archive()


def test_it_holds_every_module_and_nothing_else() -> None:
    with zipfile.ZipFile(io.BytesIO(agent_archive.archive())) as packed:
        names = packed.namelist()
    assert names == sorted(["__main__.py", *(f"{agent_archive.PACKAGE}/{path.name}" for path in SOURCES)])


def test_no_module_imports_itself_by_way_of_others() -> None:
    imports = {
        path.stem: [
            node.module or name.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and node.level
            for name in node.names
        ]
        for path in SOURCES
    }
    assert len(list(TopologicalSorter(imports).static_order())) == len(SOURCES)


def test_a_command_that_answers_at_once_compiles_little_of_it(tmp_path: Path) -> None:
    (tmp_path / agent_archive.NAME).write_bytes(agent_archive.archive())
    script = (
        f"import sys; sys.path.insert(0, {agent_archive.NAME!r}); from {agent_archive.PACKAGE}.__main__ import main; "
        f"main(['status', 'runs/one']); print(*[m.rpartition('.')[2] for m in sys.modules if m.startswith('gonogo')])"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=LIMIT_S
    )
    loaded = set(said.stdout.splitlines()[-1].split())
    assert "status" in loaded
    assert not loaded & {"supervisor", "timer", "lifecycle", "incoming", "setup", "device_probe"}


def test_no_module_is_compiled_twice(tmp_path: Path) -> None:
    """Python's own importer of archives does that, which is a third of the agent's start."""
    (tmp_path / agent_archive.NAME).write_bytes(agent_archive.archive())
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "def note(event, values):\n"
        "    if event == 'compile' and 'gonogo_agent' in str(values[1]):\n"
        "        print(values[1], file=sys.stderr)\n"
        "sys.addaudithook(note)\n"
    )
    done = subprocess.run(
        [sys.executable, agent_archive.NAME, "active", "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=LIMIT_S,
    )
    compiled = done.stderr.splitlines()
    assert len(compiled) > 3
    assert sorted(compiled) == sorted(set(compiled))
