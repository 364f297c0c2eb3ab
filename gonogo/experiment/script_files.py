"""The project's files that an experiment's own file imports, and the scripts that a command names: there or not."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Iterator
from pathlib import Path

INFERENCE = ("predict", "show", "infer")  # methods of an experiment that only predictions and pictures need
SCRIPTS = (".py", ".sh")


def imports_of(file: Path, root: Path, *, of_inference: bool) -> list[Path]:
    """Where the modules of the project that a file imports should lie, sorted.

    What an `except` or `if` may do without is left out, and so is what lies in no folder below `root`.

    Args:
        of_inference: those that stand in its INFERENCE methods; False: all others.
    """
    tree = ast.parse(file.read_text(errors="replace"))
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and function.name in INFERENCE
        for node in ast.walk(function)
    }
    modules = {module for node, module in _needed(tree) if (id(node) in inside) is of_inference}
    return sorted({path for module in modules if (path := _path_of(module, root)) is not None})


def _needed(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Try | ast.If):
            continue
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node, node.module
        yield from _needed(node)


def _path_of(module: str, root: Path) -> Path | None:
    """Of a module in a package of the project; None for any other."""
    path = root.joinpath(*module.split("."))
    if not path.parent.is_dir() or path.parent == root:
        return None
    built = next(path.parent.glob(f"{path.name}.*.so"), None)
    return None if path.is_dir() else built or path.with_suffix(".py")


def scripts_in(line: str, root: Path) -> list[Path]:
    """The scripts that a command line names as a path below `root`, or as a module after `-m`."""
    words = shlex.split(line)
    found = [root / word for word in words if word.endswith(SCRIPTS) and not word.startswith("/") and "{" not in word]
    modules = [words[index + 1] for index, word in enumerate(words[:-1]) if word == "-m"]
    return found + [path for module in modules if (path := _path_of(module, root)) is not None]
