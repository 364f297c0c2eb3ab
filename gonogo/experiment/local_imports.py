"""The files of a project that one of its files imports, directly or through others, found without importing any."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


def imported_files(file: Path, root: Path) -> list[Path]:
    """`file` and all files below `root` that it comes to import, wherever in a file the import stands; sorted.

    What lies in no package of the project, and what is imported by a name made at run time, is not found.
    """
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += _imports(one, root)
    return sorted(found)


def _imports(file: Path, root: Path) -> Iterator[Path]:
    try:
        tree = ast.parse(file.read_text(errors="replace"))
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files_of(root, alias.name)
        elif isinstance(node, ast.ImportFrom):
            above = file.parents[node.level - 1] if node.level else root
            base = node.module or ""
            yield from _files_of(above, base, root)
            for alias in node.names:
                yield from _files_of(above, f"{base}.{alias.name}".strip("."), root)


def _files_of(folder: Path, dotted: str, root: Path | None = None) -> Iterator[Path]:
    """The module's file, and `__init__.py` of each package on the way to it."""
    at = folder
    for name in filter(None, dotted.split(".")):
        at = at / name
        for file in (at / "__init__.py", at.with_suffix(".py")):
            if file.is_file() and file.is_relative_to(root or folder):
                yield file
