"""Boxes and outlines in text files beside pictures, as YOLO has them: `class x y width height`, shares of a side."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from gonogo.quality.label_findings import LabelFindings
from gonogo.quality.left_out import PAPERS
from gonogo.quality.pictures.boxes import MIRRORED, TURNED, note_turned, note_unlabelled
from gonogo.quality.pictures.class_names import listed_classes
from gonogo.quality.pictures.label_names import LABEL_FOLDER, Picture, paired_by

LISTS = re.compile(r"(classes|names|labels?|train|val|valid|test|trainval|_darknet|predefined_classes)", re.IGNORECASE)
ABOUT = (".names", ".data")  # of Darknet: lists of classes, and of where they lie
MOST_BYTES, MOST_LINES = 1 << 20, 20_000  # of a label file; more is no label of one picture
LOOKED_INTO = 20  # files that say whether the texts are labels at all
ROUNDING = 1e-3  # beyond 0 and 1
BOX = 5  # fields; 6 with a confidence, more with an outline or points
SEEN = 2.0  # of a point: its visibility


def read_yolo(
    folder: Path, others: Sequence[str], pictures: Sequence[Picture]
) -> tuple[LabelFindings | None, list[str]]:
    """What the label files show, and which files were judged; None where texts beside pictures are no such labels.

    Args:
        folder: the data folder.
        others: names of files in it that are no pictures.
    """
    texts = [name for name in others if name.lower().endswith(".txt") and not _is_list(name)]
    if not texts:
        return None, []
    key, by_key = paired_by(texts, pictures)
    ours = [name for name in texts if key(name) in by_key or _in_label_folder(name)]
    if not _are_labels(folder, ours):
        return None, []
    found = LabelFindings(form="yolo", files=len(ours))
    listed = listed_classes(folder, others)
    count, names_file = listed.classes or None, listed.file
    labelled: set[str] = set()
    in_pixels = 0
    for name in ours:
        labelled.add(key(name))
        if key(name) not in by_key:
            found.note("label files have no picture of their name", str(folder / name))
        in_pixels += _judge_file(found, folder, name, count)
    if ours and not found.labels:
        found.note("label files are all empty", str(folder / ours[0]), len(ours))
    if in_pixels and in_pixels >= 0.9 * found.labels and not names_file:
        found.bad -= in_pixels
        found.note(
            "files have boxes in pixels, where YOLO wants shares of the picture", str(folder / ours[0]), in_pixels
        )
    note_unlabelled(found, folder, by_key, labelled)
    for one, picture in by_key.items():
        if one in labelled:
            note_turned(found, folder, picture, (*MIRRORED, *TURNED))
    about = [name for name in others if name == names_file or name.lower().endswith(ABOUT)]
    return found, [*ours, *about]


def _judge_file(found: LabelFindings, folder: Path, name: str, count: int | None) -> bool:
    """Notes what is wrong; whether it is only that coordinates are whole numbers of pixels."""
    path = str(folder / name)
    try:
        lines = _lines(folder / name)
    except ValueError as error:
        found.labels, found.bad = found.labels + 1, found.bad + 1
        found.note(f"label files are {error}", path)
        return False
    if not lines:
        return False
    kinds: Counter[str] = Counter()
    whole = 0
    for line in lines:
        values = _numbers(line)
        fault = _fault(values, count)
        if fault:
            kinds[fault] += 1
        if values:
            found.tally(f"{values[0]:.6g}")
            whole += max(values[1:BOX]) > 1 and all(value.is_integer() for value in values[1:BOX])
    for what, times in kinds.items():
        found.note(what, path, times)
    found.labels += 1
    found.bad += bool(kinds)
    return bool(kinds) and whole == len(lines)


def _fault(values: Sequence[float], count: int | None) -> str:
    """What is wrong with a line, in words that follow a count."""
    if not values:
        return "lines are not a class and four or more numbers"
    label, *places = values
    if not label.is_integer() or label < 0:
        return "classes are no whole number from 0"
    if count is not None and label >= count:
        return f"classes are not among the {count} names (0 to {count - 1})"
    box = len(values) in (BOX, BOX + 1)
    if box and (places[2] <= 0 or places[3] <= 0):
        return "boxes have no width or height"
    shares = places[:4] if box else [
        value for at, value in enumerate(places) if not (value == SEEN and at >= 4 and (at - 4) % 3 == 2)
    ]  # fmt: skip
    if any(not -ROUNDING <= value <= 1 + ROUNDING for value in shares):
        return "boxes or outlines have coordinates outside 0-1"
    return ""


def _numbers(line: str) -> list[float]:
    """Class and coordinates; empty where it is no line of labels."""
    fields = line.split()
    try:
        values = [float(field) for field in fields]
    except ValueError:
        return []
    return values if len(values) >= BOX and all(map(math.isfinite, values)) else []


def _lines(path: Path) -> list[str]:
    """
    Raises:
        ValueError: it cannot be read, or is too large for the labels of one picture; says which.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
        lines = [line for line in data.decode("utf-8-sig").splitlines() if line.strip()]
    except OSError:
        raise ValueError("not to be read") from None
    except UnicodeDecodeError:
        raise ValueError("no text") from None
    if len(data) > MOST_BYTES or len(lines) > MOST_LINES:
        raise ValueError("too large for the labels of one picture")
    return lines


def _are_labels(folder: Path, names: Sequence[str]) -> bool:
    """Whether most texts that hold something begin with a class and numbers: captions beside pictures do not."""
    held, empty = 0, False
    step = max(len(names) // LOOKED_INTO, 1)
    alike = 0
    for name in names[::step]:
        try:
            lines = _lines(folder / name)
        except ValueError:
            continue
        empty |= not lines
        held += bool(lines)
        alike += any(_numbers(line) for line in lines[:LOOKED_INTO])
    return alike > 0.5 * held if held else empty and any(map(_in_label_folder, names))


def _is_list(name: str) -> bool:
    path = PurePosixPath(name)
    return LISTS.fullmatch(path.stem) is not None or PAPERS.fullmatch(path.name) is not None


def _in_label_folder(name: str) -> bool:
    return any(LABEL_FOLDER.fullmatch(part) for part in PurePosixPath(name).parts[:-1])
