"""A repository's files by size and time, before and after a pass: proof that nothing was written there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

MOST_ENTRIES = 20_000
MOST_OF_A_FOLDER = 2_000  # data folders are looked into, not counted
LEFT_OUT = {".git", "__pycache__", ".venv", "venv", "node_modules", ".ipynb_checkpoints"}

Entries = dict[str, tuple[int, int]]


def snapshot(root: Path) -> Entries:
    """Path → size and time of change, of a bounded number of files and folders, those nearest to the root first."""
    found: Entries = {}
    for path, facts in _entries(root):
        found[path] = facts
        if len(found) >= MOST_ENTRIES:
            break
    return found


def changed(before: Entries, root: Path) -> list[str]:
    """Paths that a snapshot has otherwise, or that are new in a folder that it holds; relative to the root."""
    found = []
    after = snapshot(root)
    full = len(before) >= MOST_ENTRIES
    for path in sorted(before.keys() | after.keys()):
        new = path not in before
        if (new and full) or before.get(path) == after.get(path) or (path not in after and _is_there(root, path)):
            continue
        found.append(path)
    return found


def _entries(root: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    waiting = [""]
    while waiting:
        folder = waiting.pop(0)
        with contextlib.suppress(OSError), os.scandir(root / folder) as entries:
            for number, entry in enumerate(entries):
                if number >= MOST_OF_A_FOLDER:
                    break
                if entry.name in LEFT_OUT:
                    continue
                path = f"{folder}/{entry.name}" if folder else entry.name
                with contextlib.suppress(OSError):
                    facts = entry.stat(follow_symlinks=False)
                    is_dir = entry.is_dir(follow_symlinks=False)
                    if is_dir:
                        waiting.append(path)
                    yield path, (-1, 0) if is_dir else (facts.st_size, facts.st_mtime_ns)


def _is_there(root: Path, path: str) -> bool:
    return os.path.lexists(root / path)
