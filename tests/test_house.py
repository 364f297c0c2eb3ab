"""The package's shape: one meaning for each class name, one idea in each file."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from tests.conftest import ROOT

MODULES = sorted((ROOT / "gonogo").rglob("*.py"))
MOST_LINES = 300
SHARED_NAMES = {"Measurements"}  # what a gate's stage leaves for it: the gate's room says of what


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_class_name_means_two_things() -> None:
    defined: dict[str, list[str]] = defaultdict(list)
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                defined[node.name].append(shown(path))
    twice = {name: paths for name, paths in defined.items() if len(paths) > 1 and name not in SHARED_NAMES}
    assert twice == {}


def test_a_module_is_about_one_idea() -> None:
    lines = {shown(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {path: count for path, count in lines.items() if count > MOST_LINES} == {}
