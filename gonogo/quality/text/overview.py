"""What only all records together show: which are there twice, which are in two splits, how they begin, how long."""

from __future__ import annotations

import base64
import math
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations

import numpy as np

from gonogo.quality.file_kind import Overview
from gonogo.quality.items import MeasuredItem
from gonogo.quality.text.identity import NEAR_BITS
from gonogo.quality.text.items import TextItem
from gonogo.quality.text.statistics import OCTAVE, Openings

NAMED_PAIRS = 5
SPLITS = ("", "train", "val", "test")


@dataclass(frozen=True)
class Place:
    """One record: the file by its key, and the line of .jsonl or the record of other files."""

    file: int
    number: int


@dataclass(frozen=True)
class Repeats:
    """Records of one file that repeat earlier ones: how many, and the first of them."""

    count: int
    number: int
    original: Place


class TextOverview(Overview):
    """Fed with every document once, then closed: 8 bytes a record (40 while it closes) and 30 a file.

    Records are alike when they differ only in case, white space, label and source. 56 bits identify them: among
    ten million the chance that any two are mistaken is 7·10⁻⁴.

    Attributes:
        records, bad, repeated, repeated_exactly, leaking: records; the last, of one split that are in another too.
        faults: of records, by id.
        leaks: the first places of records in two splits.
    """

    def __init__(self) -> None:
        super().__init__()
        self.records = self.bad = self.repeated = self.repeated_exactly = self.leaking = 0
        self.faults, self.first_fault = Counter[str](), dict[str, str]()
        self.lengths, self.tokens, self.openings = Counter[int](), Counter[int](), Openings()
        self.counted, self.uncounted = 0, 0  # records with and without their number of tokens
        self.longest: tuple[int, str] = (0, "")
        self.splits: set[str] = set()
        self.read_as: set[str] = set()
        self.leaks: list[tuple[Place, Place]] = []
        self._names: dict[int, str] = {}
        self._hashes, self._starts, self._split, self._files = array("Q"), array("Q"), array("B"), array("Q")

    def add(self, item: MeasuredItem) -> None:
        super().add(item)
        assert isinstance(item, TextItem)
        if item.problems or item.orphan:
            return
        self.records += item.records
        self.bad += item.bad_records
        self.read_as.add(item.read_as)
        for fault in item.faults:
            self.faults[fault.id] += fault.count
            self.first_fault.setdefault(fault.id, f"{item.path}{item.at(fault.numbers[0])}: {fault.detail}")
        self.lengths.update(item.lengths)
        for opening, count in item.openings.items():
            self.openings.add(opening, count)
        if item.tokens is None:
            self.uncounted += item.records
        else:
            self.counted += item.records
            self.tokens.update(item.tokens)
            self.longest = max(self.longest, (max(item.tokens, default=0), f"{item.path}{item.at(item.longest_at)}"))
        self.splits |= {item.split} - {""}
        self._files.append(_key(item))
        self._starts.append(len(self._hashes))
        self._split.append(SPLITS.index(item.split))
        self._hashes.frombytes(base64.b64decode(item.record_hashes))

    def close(self) -> None:
        super().close()
        hashes, starts = np.frombuffer(self._hashes, np.uint64), np.frombuffer(self._starts, np.uint64).astype(np.int64)
        lengths = np.diff(starts, append=len(hashes))
        split = np.repeat(np.frombuffer(self._split, np.uint8), lengths)
        near = hashes >> np.uint64(NEAR_BITS)
        order = np.lexsort((near, split))  # within a split, records that are alike follow each other as they were read
        order = order[hashes[order] > 0]
        near, split = near[order], split[order]
        again = np.zeros(len(order), bool)
        again[1:] = (near[1:] == near[:-1]) & (split[1:] == split[:-1])
        # the first record of each run, carried on to those that repeat it
        first = np.maximum.accumulate(np.where(again, 0, np.arange(len(order))))[again]
        repeats, originals = order[again], order[first]
        self.repeated = len(repeats)
        self.repeated_exactly = int((hashes[repeats] == hashes[originals]).sum())
        self._find_repeats(repeats, originals, starts)
        self._find_leaks(order, near, split)
        self._hashes, self._starts = array("Q"), array("Q")

    @property
    def median_length(self) -> float:
        """Characters, of records with any text; 0: there are none."""
        half, seen = sum(self.lengths.values()) / 2, 0
        for length in sorted(self.lengths):
            seen += self.lengths[length]
            if seen >= half > 0:
                return float(2 ** ((length + 0.5) / OCTAVE))
        return 0.0

    @property
    def commonest_opening(self) -> tuple[str, int]:
        """The beginning that most records share, and how many do."""
        return max(self.openings.counts.items(), key=lambda held: (held[1], held[0]), default=("", 0))

    def repeats(self, item: TextItem) -> Repeats | None:
        """Of one file; to be called for every file in the order in which they were added."""
        key = _key(item)
        if key in self._names:
            self._names[key] = item.path
        file = int(np.searchsorted(self._sorted_files, np.uint64(key)))
        count = int(self._repeat_counts[file])
        if not count:
            return None
        first, original = self._place(self._first_repeat[file]), self._place(self._first_original[file])
        return Repeats(count, first.number, original)

    def named(self, place: Place) -> str:
        """`data/train.jsonl:17`, for places of `leaks` and `repeats` whose files `repeats` was called with."""
        return f"{self._names.get(place.file) or 'an earlier file'}:{place.number}"

    def _find_repeats(self, repeats: np.ndarray, originals: np.ndarray, starts: np.ndarray) -> None:
        """By file, in the order of their keys: how many, the first, and what it repeats. All three are positions."""
        files = np.frombuffer(self._files, np.uint64)
        by_key = np.argsort(files, kind="stable")
        self._sorted_files, self._starts_of, self._files_of = files[by_key], starts, files
        by_position = np.argsort(repeats)
        repeats, originals = repeats[by_position], originals[by_position]
        rank = np.empty(len(files), np.int64)
        rank[by_key] = np.arange(len(files))
        of_file = rank[np.searchsorted(starts, repeats, side="right") - 1]
        self._repeat_counts = np.bincount(of_file, minlength=len(files))
        self._first_repeat = np.zeros(len(files), np.int64)
        self._first_original = np.zeros(len(files), np.int64)
        found, at = np.unique(of_file, return_index=True)
        self._first_repeat[found], self._first_original[found] = repeats[at], originals[at]
        self._names.update((self._place(position).file, "") for position in originals[at][:10_000].tolist())

    def _find_leaks(self, order: np.ndarray, near: np.ndarray, split: np.ndarray) -> None:
        leaking: set[int] = set()
        total = np.zeros(0, np.uint64)
        for one, other in combinations(range(1, len(SPLITS)), 2):
            mine, theirs = np.flatnonzero(split == one), np.flatnonzero(split == other)
            both, in_mine, in_theirs = np.intersect1d(near[mine], near[theirs], return_indices=True)
            total = np.union1d(total, both)
            for at, there in list(zip(in_mine, in_theirs, strict=True))[: NAMED_PAIRS - len(self.leaks)]:
                pair = self._place(int(order[mine[at]])), self._place(int(order[theirs[there]]))
                self.leaks.append(pair)
                leaking |= {pair[0].file, pair[1].file}
        self.leaking = len(total)
        self._names.update((file, "") for file in leaking)

    def _place(self, position: int) -> Place:
        file = int(np.searchsorted(self._starts_of, position, side="right")) - 1
        return Place(int(self._files_of[file]), int(position - self._starts_of[file]) + 1)


def beyond(lengths: Mapping[int, int], median: float, ratio: float) -> int:
    """Records that are more than `ratio` times longer or shorter than the median; 0 where there is none."""
    if not median:
        return 0
    off = {length: abs(length + 0.5 - OCTAVE * math.log2(median)) for length in lengths}
    return sum(count for length, count in lengths.items() if off[length] > OCTAVE * math.log2(ratio))


def _key(item: MeasuredItem) -> int:
    """64 bits of a file's path."""
    return int.from_bytes(blake2b(item.path.encode(errors="surrogatepass"), digest_size=8).digest())
