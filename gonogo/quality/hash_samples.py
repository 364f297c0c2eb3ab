"""Identities of rows, samples and the like: as many as there is room for, chosen so that files can be compared."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from itertools import combinations

import numpy as np

KEPT = 100_000  # of a file: those with the least hashes, which any other file would have chosen as well
EVERY = (1 << 64) - 1


def packed(hashes: np.ndarray) -> tuple[str, int]:
    """The least of them as text, and the greatest hash up to which none is left out."""
    ordered = np.sort(hashes.astype(np.uint64))
    if len(ordered) <= KEPT:
        return base64.b64encode(ordered.tobytes()).decode(), EVERY
    return base64.b64encode(ordered[:KEPT].tobytes()).decode(), int(ordered[KEPT - 1])


def unpacked(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.uint64)


class SplitHashes:
    """Identities by split; 8 bytes each."""

    def __init__(self) -> None:
        self._held: dict[str, list[tuple[str, np.ndarray]]] = {}
        self._limit = EVERY

    def add(self, split: str, path: str, text: str, limit: int) -> None:
        self._limit = min(self._limit, limit)
        self._held.setdefault(split, []).append((path, unpacked(text)))

    def shared(self) -> tuple[int, int, list[str]]:
        """How many of a split are in another, of how many in the smaller one; and a file of either."""
        found = (0, 0, list[str]())
        for one, other in combinations(sorted(filter(None, self._held)), 2):
            mine, theirs = self._of([one]), self._of([other])
            both = np.intersect1d(mine, theirs)
            fewer = mine if len(mine) <= len(theirs) else theirs
            inside = int(np.isin(fewer, both).sum())
            if inside > found[0]:
                found = (inside, len(fewer), [self._file_with(both[0], split) for split in (one, other)])
        return found

    def within(self) -> float:
        """Share of the items of a split that have a twin in it, in the split that has most of them."""
        shares = [0.0]
        for split in filter(None, self._held):
            _, counts = np.unique(self._of([split]), return_counts=True)
            shares.append(float(counts[counts > 1].sum() / max(counts.sum(), 1)))
        return max(shares)

    @property
    def splits(self) -> list[str]:
        return sorted(filter(None, self._held))

    def _of(self, splits: Iterable[str]) -> np.ndarray:
        parts = [held for split in splits for _, held in self._held[split]]
        whole = np.concatenate(parts) if parts else np.zeros(0, np.uint64)
        return whole[whole <= np.uint64(self._limit)]

    def _file_with(self, hashed: np.uint64, split: str) -> str:
        return next((path for path, held in self._held[split] if hashed in held), "")
