"""What boxes of any form are held against: the sides of their picture, and the size that a file says it has."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from gonogo.quality.label_findings import LabelFindings
from gonogo.quality.pictures.label_names import Picture

BEYOND_PIXELS, BEYOND_SHARE = 2.0, 0.01  # of the side: a box may reach so far outside, by rounding
MIRRORED, TURNED = range(2, 5), range(5, 9)  # EXIF orientations; the latter exchange width and height


def extent_fault(starts: Sequence[float], ends: Sequence[float], size: Sequence[float]) -> str:
    """What is wrong with a box from (left, top) to (right, bottom), in words that follow a count; empty: nothing.

    Args:
        size: width and height of its picture; 0: unknown.
    """
    if any(end <= start for start, end in zip(starts, ends, strict=True)):
        return "boxes have no width or height"
    for start, end, side in zip(starts, ends, size, strict=True):
        beyond = max(BEYOND_PIXELS, BEYOND_SHARE * side)
        if side and (start < -beyond or end > side + beyond):
            return "boxes reach outside the picture"
    return ""


def judge_size(found: LabelFindings, folder: Path, size: tuple[float, float], pictures: Sequence[Picture]) -> None:
    """Notes where a file states another size than its picture, the likeliest of some, has."""
    found.pictures += 1
    picture = next((one for one in pictures if size in ((one.width, one.height), (one.height, one.width))), pictures[0])
    path = str(folder / picture.name)
    stored, turned = (picture.width, picture.height), picture.orientation in TURNED
    if turned and size in (stored, stored[::-1]):
        which = "the unturned picture" if size == stored else "the turned picture"
        found.note(f"pictures are turned by EXIF, and their boxes are of {which}: loaders differ", path)
    elif size != stored:
        found.bad_pictures += 1
        found.note("pictures are of another size than the file of boxes says", path)


def note_turned(found: LabelFindings, folder: Path, picture: Picture, orientations: Collection[int]) -> None:
    """Where a labelled picture has one of these orientations, and nothing says which way its boxes are."""
    if picture.orientation in orientations:
        found.note(
            "labelled pictures are turned by EXIF: some loaders turn them and some do not", str(folder / picture.name)
        )


def note_unlabelled(found: LabelFindings, folder: Path, by_key: Mapping[str, Picture], labelled: set[str]) -> None:
    """Pictures without labels, in folders where others have some."""
    folders = {str(PurePosixPath(by_key[key].name).parent) for key in labelled if key in by_key}
    for key, picture in by_key.items():
        if key not in labelled and str(PurePosixPath(picture.name).parent) in folders:
            found.note("pictures have no label file, though others do", str(folder / picture.name))


def by_file_name(pictures: Sequence[Picture]) -> Mapping[str, Sequence[Picture]]:
    """Pictures by the last part of their path."""
    found: defaultdict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        found[PurePosixPath(picture.name).name].append(picture)
    return found


def named(name: str, by_name: Mapping[str, Sequence[Picture]]) -> Sequence[Picture]:
    """Pictures of this name; where it has folders, those in them, if there are any."""
    path = name.replace("\\", "/").removeprefix("./")
    alike = by_name.get(path.rpartition("/")[2], ())
    return [one for one in alike if f"/{one.name}".endswith(f"/{path}")] or alike


def is_number(value: Any) -> bool:
    """Whether a value out of a file is finite, and no bool."""
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False
