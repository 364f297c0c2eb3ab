"""Which source files a stage's result depends on, and one digest of them."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import subprocess
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

from gonogo.base.digests import digest
from gonogo.base.errors import UserError

Stage = Literal["generate", "train", "predict"]
Methods: TypeAlias = Mapping[Path, tuple[str, ...]]  # file → `Class.method`s that a stage's result does not depend on

CACHE, COMPILED = "__pycache__", ".pyc"


def code_files(path: Path) -> list[Path]:
    """The file, or all files below a folder, sorted; hidden ones, hidden folders (`.git`) and caches are left out."""
    if path.is_file():
        return [path]
    found: list[Path] = []
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".") and name != CACHE]
        found += [Path(folder, name) for name in names if not name.startswith(".") and not name.endswith(COMPILED)]
    return sorted(found)


def named_files(code: Sequence[Path], root: Path) -> list[Path]:
    """What `code` names below `root`, files and folders; raises UserError as `sendable` does."""
    return [file for path in code for file in sendable(code_files(root / path), root / path)]


def sendable(files: Sequence[Path], top: Path) -> list[Path]:
    """The files that are sent to the machine with the code; links that lead nowhere are left out.

    Raises:
        UserError: a link leads out of `top`, or to something hidden: to a key, for instance.
    """
    real_top = Path(os.path.realpath(top))
    kept = []
    for file in files:
        real = Path(os.path.realpath(file))
        below = real.relative_to(real_top).parts if real.is_relative_to(real_top) else ("..",)
        if real != real_top / os.path.relpath(file, top) and any(part.startswith(".") for part in below):
            raise UserError(
                f"{file}: a link out of {top}, or to something hidden (to {real}); it would be sent to the machine "
                "with the code. Copy it in, move it away, or name in `code` the files and folders that are code."
            )
        if real.is_file():
            kept.append(file)
    return kept


# of a repository, what gonogo makes and reads, and what no program reads
NOT_CODE = {"results", "archive", "config/experiments", "config/targets", "config/config.yaml", "profiles", "local",
            "cloud", "Snakefile"}  # fmt: skip


def repository_files(root: Path) -> list[Path]:
    """What git tracks below `root`, and Python files that it does not ignore; without git, all of `code_files`.

    Hidden files, and what gonogo makes and reads, are left out.
    """
    tracked = _listed_by_git(root, "--cached", "--recurse-submodules")
    if tracked is None:
        names = [file.relative_to(root).as_posix() for file in code_files(root)]
    else:
        new = _listed_by_git(root, "--others", "--exclude-standard") or []
        names = sorted({*tracked, *(name for name in new if name.endswith(".py"))})
    return [root / name for name in names if _is_code(name) and (root / name).is_file()]


def _is_code(name: str) -> bool:
    parts = name.split("/")
    above = {"/".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
    return not above & NOT_CODE and not any(part.startswith(".") or part == CACHE for part in parts)


def _listed_by_git(root: Path, *which: str) -> list[str] | None:
    """Names from `root`; None where it is no repository, or git is not there."""
    try:
        done = subprocess.run(["git", "-C", str(root), "ls-files", "-z", *which], capture_output=True, check=False)
    except OSError:
        return None
    return os.fsdecode(done.stdout).split("\0")[:-1] if done.returncode == 0 else None


def without_unused(files: Sequence[Path], unused: Collection[Path], methods: Methods) -> list[Path]:
    """`files` less those of `unused` that no other file imports, directly or through another of them.

    Args:
        methods: their imports do not count.
    """
    used, left = [[file for file in files if (file in unused) is held] for held in (False, True)]
    while needed := [file for file in left if any(_imports(user, file.stem, methods) for user in used)]:
        used += needed
        left = [file for file in left if file not in needed]
    return [file for file in files if file in used]


def source_digest(files: Sequence[Path], root: Path, methods: Methods) -> str:
    """One digest of files by their names from `root` and contents, less these methods."""
    return digest(sorted((file.relative_to(root).as_posix(), _file_digest(file, methods)) for file in files))


def _file_digest(file: Path, methods: Methods) -> str:
    content = file.read_bytes()
    if file in methods:
        lines = content.splitlines(keepends=True)
        for first, last in sorted(_spans(content.decode(errors="replace"), methods[file]), reverse=True):
            del lines[first - 1 : last]
        content = b"".join(lines)
    return hashlib.sha256(content).hexdigest()


def _imports(file: Path, stem: str, methods: Methods) -> bool:
    if file.suffix != ".py":
        return False
    source = file.read_text(errors="replace")
    named = re.search(rf"\b{re.escape(stem)}\b", source)  # most files need not be parsed
    return named is not None and stem in _imported(source, methods.get(file, ()))


@lru_cache(maxsize=512)
def _imported(source: str, methods: tuple[str, ...]) -> frozenset[str]:
    """Every word of every import: `from a.b import c` gives a, b and c. Every word of a file that cannot be parsed."""
    try:
        tree, spans = ast.parse(source), _spans(source, methods)
    except (SyntaxError, ValueError):
        return frozenset(re.findall(r"\w+", source))
    words: set[str] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom) or any(a <= node.lineno <= b for a, b in spans):
            continue
        names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
        words |= {word for name in names for word in name.split(".")}
    return frozenset(words)


@lru_cache(maxsize=512)
def _spans(source: str, methods: tuple[str, ...]) -> list[tuple[int, int]]:
    """First and last line of each of these methods, decorators included."""
    if not methods:
        return []
    return [
        (min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]), node.end_lineno or node.lineno)
        for owner in ast.walk(ast.parse(source))
        if isinstance(owner, ast.ClassDef)
        for node in owner.body
        if isinstance(node, ast.FunctionDef) and f"{owner.name}.{node.name}" in methods
    ]
