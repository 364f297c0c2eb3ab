"""Frames of one film, or crops of one picture, on both sides of a split: neighbours by number that look alike."""

from __future__ import annotations

import hashlib
import re
from array import array
from typing import TYPE_CHECKING

import numpy as np

from gonogo.quality.bits import bit_count
from gonogo.quality.near_duplicates import as_numbers
from gonogo.quality.wording import percent
from gonogo.verdict import Check, Status

if TYPE_CHECKING:
    from gonogo.quality.pictures.items import ImageItem

NUMBERED = re.compile(r"(.*?)(\d+)[^\d/]*$")  # a stem, and its last number
REACH = 3  # numbers within which two files of one stem are neighbours
LEAST = 10  # held-out files with a neighbour in training, from which on it is judged
MUCH_NEARER = 0.6  # of the distance that other files of the stem have
MOST = 0.5  # of the held-out files: NO-GO above
TRAIN = "train"


class Neighbours:
    """Names, splits and looks of numbered pictures; 34 bytes each."""

    def __init__(self) -> None:
        self._stems, self._numbers, self._looks = array("Q"), array("Q"), array("Q")
        self._train, self._drawn = array("B"), array("B")
        self._paths: list[str] = []  # of the first held-out ones
        self._held_out = 0

    def add(self, picture: ImageItem) -> None:
        if not picture.split or not picture.near:
            return
        name = picture.name.rsplit("/", maxsplit=1)[-1].rpartition(".")[0]
        found = NUMBERED.fullmatch(name)
        self._held_out += picture.split != TRAIN
        if found is None:
            return
        stem = hashlib.blake2b(found[1].encode(), digest_size=8).digest()
        self._stems.append(int.from_bytes(stem, "big"))
        self._numbers.append(int(found[2][-18:]))
        self._looks.extend(as_numbers(picture.near)[:2])
        self._train.append(picture.split == TRAIN)
        self._drawn.append(picture.drawn)
        if picture.split != TRAIN and len(self._paths) < 2:
            self._paths.append(picture.path)

    def check(self) -> Check | None:
        """None where no split holds neighbours of another's."""
        nearer, pairs, drawn = self._pairs()
        if pairs < LEAST or nearer <= MOST * pairs:
            return None
        return Check(
            id="neighbours", title="Films and crops are on one side of a split", value=nearer,
            unit=f"of {self._held_out} held-out pictures",
            threshold=f"NO-GO where more than {percent(MOST)} of those with a neighbour by number look like it, of "
            "drawings CAUTION",
            status=Status.CAUTION if 2 * drawn > nearer else Status.NO_GO, evidence=self._paths,
            why=f"{nearer} of {pairs} held-out pictures with a neighbour by number in training look much more like it "
            f"than like others of that name ({', '.join(self._paths)}): frames of one film, or crops of one picture"
            + (", or drawings numbered by class" if 2 * drawn > nearer else ""),
            hint="Split by film or source picture before frames or crops are cut.",
        )  # fmt: skip

    def _pairs(self) -> tuple[int, int, int]:
        """Held-out pictures much nearer to their neighbour in training than to others; those with a neighbour; and
        how many of the nearer ones are drawings.
        """
        if not len(self._stems):
            return 0, 0, 0
        stems, numbers = (np.frombuffer(part, np.uint64) for part in (self._stems, self._numbers))
        order = np.lexsort((numbers, stems))
        stems, numbers = stems[order], numbers[order].astype(np.int64)
        looks = np.frombuffer(self._looks, np.uint64).reshape(-1, 2)[order]
        drawn = np.frombuffer(self._drawn, np.uint8)[order]
        train = np.frombuffer(self._train, np.uint8)[order].astype(bool)
        nearest = np.full(len(stems), 255)
        for step in range(1, REACH + 1):
            together = (stems[step:] == stems[:-step]) & (numbers[step:] - numbers[:-step] <= REACH)
            across = np.flatnonzero(together & (train[step:] != train[:-step]))
            apart = bit_count(looks[across] ^ looks[across + step]).sum(axis=1)
            held_out = np.where(train[across], across + step, across)
            np.minimum.at(nearest, held_out, apart)
        with_neighbour = np.flatnonzero(nearest < 255)
        typical = _typical(stems, looks)[with_neighbour]
        nearer = with_neighbour[nearest[with_neighbour] < MUCH_NEARER * typical]
        return len(nearer), len(with_neighbour), int(drawn[nearer].sum())


def _typical(stems: np.ndarray, looks: np.ndarray) -> np.ndarray:
    """Median distance of files of each one's stem half a stem apart; of all where a stem has few."""
    count = len(stems)
    overall = np.median(bit_count(looks ^ np.roll(looks, count // 2 + 1, axis=0)).sum(axis=1)) if count > 1 else 0
    found = np.full(count, float(overall))
    _, starts, sizes = np.unique(stems, return_index=True, return_counts=True)
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        if size > 4 * REACH:
            own = looks[start : start + size]
            found[start : start + size] = np.median(bit_count(own ^ np.roll(own, size // 2, axis=0)).sum(axis=1))
    return found
