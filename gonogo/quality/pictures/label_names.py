"""Which label file belongs to which picture: by folders that differ in one word only, and the stem of the name."""

from __future__ import annotations

import functools
import re
from pathlib import PurePosixPath
from typing import NamedTuple

from gonogo.quality.file_kind import split_of_folder

_WORDS = r"(masks?|labels?|label_?ids|segs?|segmentations?|annotations?|annots?|gt|ground_?truths?)"
LABEL_FOLDER = re.compile(
    rf"(.+[-_. ])?{_WORDS}([-_. ]?(png|tr|ts|train|val|test|\d+))?|segmentation(class|object)(aug|raw)?", re.IGNORECASE
)
LABEL_ENDING = re.compile(rf"[-_. ]{_WORDS}$", re.IGNORECASE)
PICTURE_FOLDER = re.compile(
    r"(.+[-_. ])?(jpeg)?(images?|imgs?|pictures?|photos?)([-_. ]?(tr|ts|train|val|test|\d+))?", re.IGNORECASE
)
_SHORT = re.compile(r".*(?:images|labels)(tr|ts)", re.IGNORECASE)


class Picture(NamedTuple):
    """What labels are held against: size as it is stored."""

    name: str
    width: int
    height: int
    orientation: int


def is_label_name(name: str) -> bool:
    """Whether a folder or the end of the name says so."""
    path = PurePosixPath(name)
    return LABEL_ENDING.search(path.stem) is not None or any(LABEL_FOLDER.fullmatch(part) for part in path.parts[:-1])


def key_of(name: str) -> str:
    """The same for a picture and its label: `images/train/a.jpg`, `labels/train/a.txt`, `train/masks/a_mask.png`."""
    folder, _, file = name.rpartition("/")
    return _place_of(folder) + LABEL_ENDING.sub("", PurePosixPath(file).stem)


@functools.lru_cache(maxsize=1024)
def _place_of(folder: str) -> str:
    parts = [_split_of(part) if _is_either(part) else part for part in PurePosixPath(folder).parts]
    return "".join(f"{part}/" for part in parts if part)


def _is_either(part: str) -> bool:
    return LABEL_FOLDER.fullmatch(part) is not None or PICTURE_FOLDER.fullmatch(part) is not None


def _split_of(part: str) -> str:
    short = _SHORT.fullmatch(part)
    return short[1].lower() if short else split_of_folder(part)
