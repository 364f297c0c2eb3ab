"""Which label file belongs to which picture: by folders that differ in one word only, and the stem of the name."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from gonogo.quality.file_kind import split_of_folder

_WORDS = r"(masks?|labels?|label_?ids|segs?|segmentations?|annotations?|ann(ot)?s?|annos?|gt|ground_?truths?)"
LABEL_FOLDER = re.compile(
    rf"(.+[-_. ])?{_WORDS}([-_. ]?(png|tr|ts|train|val|test|\d+))?|(train|val|test)(annots?|masks?|labels?)|"
    r"segmentation(class|object)(aug|raw)?|gt(fine|coarse)|(labels?|annotations?)[-_. ]\w+|ann[-_]dir|"
    r"stuff(thing)?maps|targets?",
    re.IGNORECASE,
)
LABEL_ENDING = re.compile(
    rf"[-_. ](gt(fine|coarse)_(color|labelids|instanceids|labeltrainids)|{_WORDS})$", re.IGNORECASE
)
PICTURE_FOLDER = re.compile(
    r"(.+[-_. ])?(jpeg)?(images?|imgs?|pictures?|photos?)([-_. ]?(tr|ts|train|val|test|\d+))?|leftimg8bit|img[-_]dir",
    re.IGNORECASE,
)
PICTURE_ENDING = re.compile(r"_leftImg8bit$")
_SHORT = re.compile(r".*(?:images|labels)(tr|ts)|(train|val|test)(?:annots?|masks?|labels?)", re.IGNORECASE)


class Picture(NamedTuple):
    """What labels are held against: size as it is stored."""

    name: str
    width: int
    height: int
    orientation: int


def is_label_name(name: str) -> bool:
    """Whether a folder or the end of the name says so."""
    folder, _, file = name.rpartition("/")
    return _is_label_place(folder) or LABEL_ENDING.search(PurePosixPath(file).stem) is not None


def stem_of(name: str) -> str:
    """What a picture and its label have in common, wherever they lie: of `a_mask.png`, `a`."""
    return PICTURE_ENDING.sub("", LABEL_ENDING.sub("", PurePosixPath(name).stem))


def key_of(name: str) -> str:
    """The same for a picture and its label: `images/train/a.jpg`, `labels/train/a.txt`, `train/masks/a_mask.png`."""
    return _place_of(name.rpartition("/")[0]) + stem_of(name)


def paired_by(labels: Sequence[str], pictures: Sequence[Picture]) -> tuple[Callable[[str], str], dict[str, Picture]]:
    """What a label and its picture share, and pictures by it: folders and stem, or the stem alone where more do."""
    exact, loose = ({key(picture.name): picture for picture in pictures} for key in (key_of, stem_of))
    by_place, by_stem = sum(key_of(name) in exact for name in labels), sum(stem_of(name) in loose for name in labels)
    return (key_of, exact) if by_place >= max(0.5 * len(labels), 1) or by_place >= by_stem else (stem_of, loose)


@functools.lru_cache(maxsize=1024)
def _is_label_place(folder: str) -> bool:
    return any(LABEL_FOLDER.fullmatch(part) for part in PurePosixPath(folder).parts)


@functools.lru_cache(maxsize=1024)
def _place_of(folder: str) -> str:
    parts = [_split_of(part) if _is_either(part) else part for part in PurePosixPath(folder).parts]
    return "".join(f"{part}/" for part in parts if part)


def _is_either(part: str) -> bool:
    return LABEL_FOLDER.fullmatch(part) is not None or PICTURE_FOLDER.fullmatch(part) is not None


def _split_of(part: str) -> str:
    short = _SHORT.fullmatch(part)
    return (short[1] or short[2]).lower() if short else split_of_folder(part)
