"""The public face: what an experiment's author imports from `gonogo`, and from nowhere below it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gonogo
from tests.conftest import ROOT
from tests.waiting import LIMIT_S

HEAVY = {"torch", "lightning", "numpy", "paramiko", "matplotlib", "scipy", "cv2", "tokenizers"}


def imports(path: Path) -> list[ast.ImportFrom]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]


def test_every_name_is_there_and_known_to_type_checkers() -> None:
    declared = {alias.name: node.module for node in imports(Path(gonogo.__file__)) for alias in node.names}
    assert {name: module for name, module in declared.items() if (module or "").startswith("gonogo.")} == gonogo.PUBLIC
    for name in gonogo.PUBLIC:
        assert getattr(gonogo, name) is not None
    assert set(gonogo.PUBLIC) <= set(dir(gonogo))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = gonogo.Nothing  # type: ignore[attr-defined]


def test_every_name_is_documented() -> None:
    page = (ROOT / "docs/experiments.md").read_text()
    (table,) = re.findall(r"\| name \| what it is \|\n\|---\|---\|\n((?:\|.*\n)+)", page)
    named = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(named) == sorted(gonogo.PUBLIC)


def imported_by(statement: str) -> set[str]:
    """Top-level packages that a fresh interpreter has imported after it."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=LIMIT_S
    )
    return set(done.stdout.split())


def test_importing_it_imports_nothing_heavy() -> None:
    assert not imported_by("import gonogo") & {*HEAVY, "pydantic", "typing"}


@pytest.mark.parametrize("name", ["cvs", "eeg", "vqgan3d", "cad_mllm"])
def test_a_shipped_class_is_imported_without_anything_heavy(name: str) -> None:
    assert not imported_by(f"import experiments.{name}.experiment") & HEAVY  # whenever the workflow is read


@pytest.mark.parametrize("file", sorted((ROOT / "experiments").rglob("*.py")), ids=lambda file: file.stem)
def test_shipped_experiments_import_nothing_below_it(file: Path) -> None:
    nodes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]
    named = [getattr(node, "module", None) or alias.name for node in nodes for alias in node.names]
    assert {name for name in named if name.startswith("gonogo")} <= {"gonogo"}
