"""The checkpoints of a script, as patterns of their names: from the files that it was seen to save."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

NUMBER = re.compile(r"\d+(?:\.\d+)*")
SPECIAL = re.compile(r"[\[*?]")


def relative_names(paths: Iterable[str], root: Path) -> list[str]:
    """Those below `root`, relative to it; others are not where a run's checkpoints are looked for."""
    found = [os.path.relpath(path, root) for path in paths]
    return [name for name in found if not name.startswith("..")]


def patterns_of(names: Iterable[str]) -> tuple[str, ...]:
    """`model_100.bin` → `model_*.bin`; with `*best*.bin`, since the best may not have been saved yet.

    Several files in a folder with a number (`state_8/model.bin`, `state_8/scaler.bin`) are one checkpoint: `state_*/`.
    """
    files = [PurePath(name) for name in names]
    folders = {folder for folder in (file.parent for file in files) if NUMBER.search(folder.name)}
    units = {folder for folder in folders if len({file.name for file in files if file.parent == folder}) > 1}
    return tuple(dict.fromkeys(_patterns(files, units)))


def _patterns(files: list[PurePath], units: set[PurePath]) -> Iterator[str]:
    for file in files:
        if file.parent in units:
            yield f"{_any_number(file.parent.name)}/"
        else:
            yield _any_number(file.name)
            if file.suffix and not NUMBER.fullmatch(file.suffix[1:]):
                yield f"*best*{file.suffix}"


def _any_number(name: str) -> str:
    return re.sub(r"[*]+", "*", NUMBER.sub("*", SPECIAL.sub("?", name)))
