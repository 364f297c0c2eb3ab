"""Folders without a file beside folders of pictures: classes that were planned, or were never filled."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from gonogo.quality.label_findings import LabelFindings
from gonogo.quality.pictures.classes import NO_CLASSES
from gonogo.quality.pictures.label_names import LABEL_FOLDER

NO_FILES = {".ds_store", ".gitkeep", ".keep", "thumbs.db", "desktop.ini"}
OTHER = {*NO_CLASSES, "out", "output", "outputs", "results", "tmp", "temp", "cache", "logs", "models", "checkpoints"}
MOST_PLACES = 1000  # that are looked into


def read_empty_folders(folder: Path, names: Sequence[str]) -> LabelFindings | None:
    """Those beside the last folders of the pictures' paths; None where there is none."""
    holders = {PurePosixPath(name).parent for name in names} - {PurePosixPath(".")}
    filled = {above for holder in holders for above in (holder, *holder.parents)}
    found = LabelFindings(form="empty_folders")
    for place in sorted({holder.parent for holder in holders})[:MOST_PLACES]:
        for child in _folders(folder / place):
            if place / child not in filled and not _is_no_class(child) and _is_empty(folder / place / child):
                found.note(str(place / child), str(folder / place / child))
    return found if found.problems else None


def _folders(place: Path) -> list[str]:
    try:
        with os.scandir(place) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _is_empty(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return all(entry.name.lower() in NO_FILES for entry in entries)
    except OSError:
        return False


def _is_no_class(name: str) -> bool:
    return name.startswith((".", "_")) or name.lower() in OTHER or LABEL_FOLDER.fullmatch(name) is not None
