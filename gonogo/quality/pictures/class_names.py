"""Which classes there are, by the files beside labels that list them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import yaml

LISTS = ("classes.txt", "obj.names", "classes.names")  # a name a line
MORE_LISTS = ("labels.txt", "labelmap.txt", "label_map.pbtxt")  # which YOLO's tools do not read
IN_LABELMAP, IN_PBTXT = re.compile(r"\s*([^#:\n]+):"), re.compile(r"name:\s*[\"'](.+?)[\"']")
NAMES_BYTES = 1 << 16
LOOKED_INTO = 20  # YAML files


class ClassNames(NamedTuple):
    """What a file lists.

    Attributes:
        classes: one more than the greatest number of a class; 0: nothing is listed.
        file: where, from the data folder.
    """

    classes: int = 0
    names: frozenset[str] = frozenset()
    file: str = ""


def listed_classes(folder: Path, others: Sequence[str], lists: Sequence[str] = LISTS) -> ClassNames:
    """By the `names` of a YAML file, or by one of `lists`."""
    for name in [one for one in others if one.lower().endswith((".yaml", ".yml"))][:LOOKED_INTO]:
        count, names = _in_yaml(_small(folder / name))
        if count:
            return ClassNames(count, names, name)
    for name in others:
        file = PurePosixPath(name).name.lower()
        if file in lists and (found := _in_list(file, _small(folder / name))):
            return ClassNames(len(found), frozenset(found), name)
    return ClassNames()


def _in_yaml(text: str) -> tuple[int, frozenset[str]]:
    try:
        values: Any = yaml.safe_load(text)
    except Exception:  # whatever the constructors of values raise
        return 0, frozenset()
    names = values.get("names") if isinstance(values, dict) else None
    if isinstance(names, Mapping):
        count = max((key for key in names if isinstance(key, int)), default=-1) + 1
        return count, _words(names.values())
    return (len(names), _words(names)) if isinstance(names, list) else (0, frozenset())


def _words(names: Iterable[Any]) -> frozenset[str]:
    """Those that are one word or number: what is nested may repeat itself without end."""
    return frozenset(str(name) for name in names if isinstance(name, str | int | float))


def _in_list(file: str, text: str) -> list[str]:
    if file.endswith(".pbtxt"):
        return IN_PBTXT.findall(text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if file == "labelmap.txt":
        return [found[1].strip() for line in lines if (found := IN_LABELMAP.match(line))]
    return lines


def _small(path: Path) -> str:
    """A file's text; empty where it is too large, or no text."""
    try:
        with path.open("rb") as stream:
            data = stream.read(NAMES_BYTES + 1)
        return data.decode() if len(data) <= NAMES_BYTES else ""
    except (OSError, UnicodeDecodeError):
        return ""
