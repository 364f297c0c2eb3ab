"""Checkpoints of any make, by the patterns of their names: the newest that is whole, and the best ones.

A pattern with a `/` at its end names folders, which are one checkpoint each: `checkpoint-*/`.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .checkpoints import has_end, is_complete
from .files import file_entry, files_below
from .run_folder import BEGAN

SETTLED_S = 10.0  # without a change, of files that do not say where they end
LAST_OF_TRAINER = "trainer_state.json"  # Trainer of transformers writes it after weights and optimizer
OF_TRAINER = re.compile(r"checkpoint-\d+")
BEST, BEST_AT_MOST = "best", 16
ARCHIVE = b"PK\x03\x04"  # as torch.save writes
HEADER_AT_MOST_BYTES = 100 << 20  # of a safetensors file, as its library allows
Files = list  # of (name, path)


def saved(root: Path, patterns: Iterable[str], run_dir: Path | None = None) -> dict[str, Any]:
    """Name → `file_entry` and `mtime` of the files of the newest whole checkpoint below `root`, and of the best ones.

    Args:
        run_dir: what was there before this run began is none of its checkpoints.
    """
    units = _units(root, patterns, run_dir)
    best = [unit for unit in units if unit.rstrip("/").rpartition("/")[2].startswith(BEST)][:BEST_AT_MOST]
    found = {}  # type: dict[str, Any]
    for unit, files in units.items():
        if _take(unit, files, found):
            break
    for unit in best:
        _take(unit, units[unit], found)
    return found


def newest(root: Path, patterns: Iterable[str], run_dir: Path, note: Callable[[str], None]) -> Path | None:
    """The checkpoint to resume from, a file or a folder; one that was being written when the run died is not.

    Args:
        note: is given what the log should say.
    """
    for unit, files in _units(root, patterns, run_dir).items():
        with contextlib.suppress(OSError):
            archives = [path for _, path in files if _is_archive(path)]
            if _is_whole(unit, files) and all(is_complete(path) for path in archives):
                return root / unit.rstrip("/")
        note(f"{unit} is incomplete, or may be, and is skipped")
    return None


def _units(root: Path, patterns: Iterable[str], run_dir: Path | None) -> dict[str, Files]:
    """Checkpoints that the run wrote, the newest first."""
    units = {}  # type: dict[str, Files]
    for name, path in files_below(root):
        unit = unit_of(name, patterns)
        if unit and path is not None:
            units.setdefault(unit, []).append((name, path))
    written = {}  # type: dict[str, int]
    for unit, files in units.items():
        with contextlib.suppress(OSError):
            written[unit] = max(path.stat().st_mtime_ns for _, path in files)
    began_ns = _began_ns(run_dir)
    return {unit: units[unit] for unit in sorted(written, key=lambda unit: -written[unit]) if written[unit] >= began_ns}


def unit_of(name: str, patterns: Iterable[str]) -> str:
    """The checkpoint that a file belongs to: its own name, or a folder with a `/` after it; empty: to none."""
    parts = name.split("/")
    for depth in range(1, len(parts)):
        folder = "/".join(parts[:depth])
        if any(pattern.endswith("/") and _matches(folder, pattern[:-1]) for pattern in patterns):
            return folder + "/"
    return name if any(not pattern.endswith("/") and _matches(name, pattern) for pattern in patterns) else ""


def _matches(name: str, pattern: str) -> bool:
    """Against the whole name where the pattern has a folder in it, else against its last part."""
    return fnmatch.fnmatchcase(name if "/" in pattern else name.rpartition("/")[2], pattern)


def _began_ns(run_dir: Path | None) -> int:
    with contextlib.suppress(OSError):
        if run_dir is not None:
            return (run_dir / BEGAN).stat().st_mtime_ns
    return 0


def _take(unit: str, files: Files, found: dict[str, Any]) -> bool:
    """Add the unit's files where all of them are whole and none changes meanwhile."""
    taken = {}
    with contextlib.suppress(OSError):
        if not _is_whole(unit, files):
            return False
        for name, path in files:
            before = path.stat()
            entry, after = file_entry(path), path.stat()
            if (before.st_size, before.st_mtime_ns, before.st_ino) != (after.st_size, after.st_mtime_ns, after.st_ino):
                return False
            taken[name] = {**entry, "mtime": after.st_mtime}
        found.update(taken)
        return True
    return False


def _is_whole(unit: str, files: Files) -> bool:
    folder = unit.rstrip("/").rpartition("/")[2] if unit.endswith("/") else ""
    if OF_TRAINER.fullmatch(folder) and unit + LAST_OF_TRAINER not in {name for name, _ in files}:
        return False
    return all(is_whole(path) for _, path in files)


def is_whole(path: Path) -> bool:
    """Whether nothing is missing at the file's end: by its form, or, of other forms, because it no longer changes."""
    with path.open("rb") as stream:
        start = stream.read(8)
        if path.suffix == ".safetensors":
            return _has_all_tensors(stream, start)
    if start[:4] == ARCHIVE:
        return has_end(path)
    return time.time() - path.stat().st_mtime >= SETTLED_S


def _is_archive(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) == ARCHIVE


def _has_all_tensors(stream: Any, start: bytes) -> bool:
    """By the offsets in its header, which is written first."""
    length = int.from_bytes(start, "little")
    if len(start) < 8 or not 2 <= length <= HEADER_AT_MOST_BYTES:
        return False
    try:
        header = json.loads(stream.read(length))
        end = max([0] + [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"])
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return False
    return os.fstat(stream.fileno()).st_size == 8 + length + end
