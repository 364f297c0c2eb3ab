"""Folders that are classes: how many pictures each has, and pictures that two of them share."""

from __future__ import annotations

from array import array
from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from gonogo.quality.file_kind import SPLITS, split_of_folder
from gonogo.quality.label_findings import LabelFindings
from gonogo.quality.wording import listed
from gonogo.verdict import Check, Status, worst

if TYPE_CHECKING:
    from gonogo.quality.pictures.items import ImageItem

NO_CLASSES = {*SPLITS, "images", "image", "imgs", "img", "pictures", "data", "jpegimages", "frames", "photos", ""}
MOST_CLASSES = 65_535
TINY = 5  # pictures; a class with fewer cannot be learnt and held out
IMBALANCE = 20  # times as many pictures in the largest class as in the smallest
TOLERATED = 0.05  # share of pictures in two classes: NO-GO above
EXAMPLES = 4


class ClassFolders:
    """The last folder of each picture's path, where several folders lie side by side; 10 bytes a picture."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._parents: set[str] = set()
        self._counts = Counter[str]()
        self._contents, self._classes = array("Q"), array("H")
        self._first: dict[int, str] = {}

    def add(self, picture: ImageItem) -> None:
        parent, _, name = str(PurePath(picture.name).parent).rpartition("/")
        if name == "." or name.lower() in NO_CLASSES or split_of_folder(name) or len(self._numbers) >= MOST_CLASSES:
            return
        self._parents.add("/".join(part for part in parent.split("/") if not split_of_folder(part)))
        self._counts[name] += 1
        key = int(picture.content[:16], 16)
        self._contents.append(key)
        self._classes.append(self._numbers.setdefault(name, len(self._numbers)))
        if len(self._first) < 10_000:
            self._first.setdefault(key, picture.path)

    def check(self, total: int, empty: LabelFindings | None = None) -> Check | None:
        """None where folders are no classes: fewer than two, in several places, or of a part of the pictures.

        Args:
            empty: folders beside them that hold nothing.
        """
        unfilled = empty.problems if empty else []
        several = len(self._counts) + bool(unfilled) >= 2
        if not self._counts or not several or len(self._parents) != 1 or self._counts.total() < total:
            return None
        (least, fewest), (most, greatest) = self._counts.most_common()[-1], self._counts.most_common(1)[0]
        shared = self._shared()
        tiny = sorted(name for name, count in self._counts.items() if count < TINY)
        found: list[str] = []
        paths = [path for one in unfilled for path in one.first]
        if unfilled:
            names = listed([one.what for one in unfilled])
            found.append(f"{len(unfilled)} class folders are empty: {names}")
        if len(shared):
            twice = [self._first[key] for key in shared.tolist() if key in self._first][:EXAMPLES]
            found.append(f"{len(shared)} pictures lie in two classes at once ({', '.join(twice)})")
            paths = [*twice, *paths]
        if tiny:
            found.append(f"{len(tiny)} of {len(self._counts)} classes have fewer than {TINY} pictures: {listed(tiny)}")
        if greatest > IMBALANCE * fewest:
            found.append(f"class {most} has {greatest} pictures, {least} has {fewest}")
        status = Status.CAUTION if found else Status.GO
        if len(shared) > TOLERATED * total:
            status = worst([status, Status.NO_GO])
        return Check(
            id="classes", title="Classes by folder", value=len(self._counts), unit=f"classes of {total} pictures",
            threshold=f"CAUTION under {TINY} pictures or above {IMBALANCE}:1; NO-GO where {TOLERATED:.0%} are in two",
            status=status, why="; ".join(found), evidence=paths[:EXAMPLES],
            hint="Leave out or fill up small classes, weight them, and give each picture one label." if found else "",
        )  # fmt: skip

    def _shared(self) -> np.ndarray:
        """Contents that occur in more than one class."""
        contents, classes = np.frombuffer(self._contents, np.uint64), np.frombuffer(self._classes, np.uint16)
        pairs = np.unique(np.stack([contents, classes.astype(np.uint64)], axis=1), axis=0)
        keys, counts = np.unique(pairs[:, 0], return_counts=True)
        return keys[counts > 1]
