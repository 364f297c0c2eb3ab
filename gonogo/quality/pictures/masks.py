"""Masks beside pictures, known by names and few levels: labels of pixels, and not judged as pictures are."""

from __future__ import annotations

import re
from array import array
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from gonogo.quality.near_duplicates import position
from gonogo.quality.wording import percent
from gonogo.verdict import Check, Status

if TYPE_CHECKING:
    from gonogo.quality.pictures.items import ImageItem

_WORDS = r"(masks?|labels?|label_?ids|segs?|segmentations?|annotations?|annots?|gt|ground_?truths?)"
FOLDER = re.compile(rf"(.+[-_. ])?{_WORDS}([-_. ]?(png|tr|ts|train|val|test|\d+))?", re.IGNORECASE)
ENDING = re.compile(rf"[-_. ]{_WORDS}$", re.IGNORECASE)
MOST_BITS = 4.0  # entropy of a mask's levels; photographs and renders have 5 to 8
MOSTLY = 0.5  # share of masks that mark nothing: CAUTION above


def is_mask(picture: ImageItem) -> bool:
    """Whether a folder or the end of its name says so, and it has few levels."""
    if picture.pixels is None or picture.pixels.entropy_bits > MOST_BITS:
        return False
    path = PurePath(picture.name)
    return ENDING.search(path.stem) is not None or any(FOLDER.fullmatch(part) for part in path.parts[:-1])


class Masks:
    """How masks and pictures of a set belong together, by the stems of their names; 16 bytes each."""

    def __init__(self) -> None:
        self.masks = self.empty = 0
        self._of_masks, self._of_pictures = (array("Q"), array("Q")), (array("Q"), array("Q"))
        self._first: list[str] = []

    def add(self, picture: ImageItem, mask: bool) -> None:
        """An item that was read."""
        keys, sizes = self._of_masks if mask else self._of_pictures
        stem = PurePath(picture.name).stem
        keys.append(hash(ENDING.sub("", stem)) & 0xFFFFFFFFFFFFFFFF)
        sizes.append(picture.width << 32 | picture.height)
        if mask:
            self.masks += 1
            if picture.pixels and picture.pixels.sigma == 0:
                self.empty += 1
                self._first = [*self._first, picture.path][:3]

    def check(self) -> Check | None:
        """Of a set that has masks."""
        if not self.masks:
            return None
        alone, unlike, paired = self._unpaired()
        found = []
        if self.empty > MOSTLY * self.masks:
            found.append(f"{self.empty} of {self.masks} masks have one value throughout: they mark nothing")
        if alone and paired:
            found.append(f"{alone} of {self.masks} masks have no picture of their name, though others do")
        if unlike:
            found.append(f"{unlike} of {self.masks} masks are of another size than the picture of their name")
        status = Status.NO_GO if self.empty == self.masks else Status.CAUTION if found else Status.GO
        return Check(
            id="masks", title="Masks mark something, and belong to pictures", value=self.masks, unit="masks",
            threshold=f"NO-GO where none marks anything; CAUTION above {percent(MOSTLY)}, or where pairs do not match",
            status=status, why="; ".join(found), evidence=self._first,
            hint="Check how the masks were drawn, resized and named." if found else "",
        )  # fmt: skip

    def _unpaired(self) -> tuple[int, int, int]:
        """Masks without a picture of their name, of another size than it, and with one."""
        keys, sizes = (np.frombuffer(part, np.uint64) for part in self._of_pictures)
        if not len(keys):
            return self.masks, 0, 0
        order = np.argsort(keys, kind="stable")
        keys, sizes = keys[order], sizes[order]
        alone = unlike = 0
        for key, size in zip(*self._of_masks, strict=True):
            at = position(keys, key)
            alone += at is None
            unlike += at is not None and int(sizes[at]) != size
        return alone, unlike, self.masks - alone
