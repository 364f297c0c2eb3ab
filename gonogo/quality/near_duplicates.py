"""Near duplicates: items whose hashes differ in few bits, how many are like one, and which of them cross splits.

Of 128 comparisons of pictures, re-encoded at quality 60, 97 % of copies are within `TOLERANCE`, halved in size 99 %; of
crops of different photographs 1 in 10⁷ pairs is, and all of those differ in their colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from gonogo.quality.bits import bit_count

TOLERANCE = 6  # bits of 128
COLOUR_TOLERANCE = 14  # Σ over 12 colours of the distance, its median subtracted, in 1/16 of the range
HASH_DIGITS, DIGITS = 32, 44  # hex: of the comparisons, and with the colours that follow

BANDS = TOLERANCE + 2  # two hashes within the tolerance are equal in at least two of this many bands
CROWDED = 400  # hashes with two equal bands that each is compared with, at most
SAMPLE = 10_000  # hashes by which bits are dealt to bands
BATCH = 100_000  # pairs that are handed on together
ODD = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64)  # multipliers that mix two keys into one

Pairs = tuple[np.ndarray, np.ndarray]  # indices of the first and of the second of each


class NearDuplicates:
    """Which items of a set look alike, and in which splits they are."""

    def __init__(self, keys: np.ndarray, comparisons: np.ndarray, colours: np.ndarray, split: np.ndarray) -> None:
        """
        Args:
            keys: (N,) identities of the items' hashes, 0 for an item without.
            comparisons: (2 N,) `as_numbers`, two for each item; `colours`: (N,), the third.
            split: (N,) the items' splits as bits, 0 for none.
        """
        order = np.argsort(keys, kind="stable")
        self._keys, starts, counts = np.unique(keys[order], return_index=True, return_counts=True)
        splits = np.bitwise_or.reduceat(split[order], starts) if len(starts) else split
        if len(self._keys) and self._keys[0] == 0:
            self._keys, starts, counts, splits = self._keys[1:], starts[1:], counts[1:], splits[1:]
        representative = order[starts]
        n = len(self._keys)
        self._label, crowds = np.arange(n, dtype=np.uint32), counts.copy()
        self._reached, self._partner = splits.copy(), np.arange(n, dtype=np.uint32)
        for first, second in near_pairs(comparisons.reshape(-1, 2)[representative], colours[representative]):
            _join(self._label, first, second)
            for a, b in ((first, second), (second, first)):
                np.add.at(crowds, a, counts[b])
                crosses = (splits[b] & ~splits[a]) > 0
                self._partner[a[crosses]] = b[crosses]
                np.bitwise_or.at(self._reached, a, splits[b])
        several = bit_count(splits) > 1  # the partner in another split has the very same hash
        self._partner[several] = np.flatnonzero(several)
        self.crowd = int(crowds.max(initial=0))  # how many items look like one of them, at most

    def components(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Identities (N,) uint64 of what is connected by looking alike, and the splits (N,) reached; 0: no hash."""
        if not len(self._keys):
            return np.zeros(len(keys), np.uint64), np.zeros(len(keys), np.uint8)
        at = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        hit = self._keys[at] == keys
        return np.where(hit, self._keys[self._label[at]], 0), np.where(hit, self._reached[at], 0).astype(np.uint8)

    def keep(self, components: np.ndarray) -> None:
        """Forget all but these components."""
        kept = np.isin(self._keys[self._label], components)
        self._components, self._partners = self._keys[self._label][kept], self._keys[self._partner][kept]
        self._keys, self._reached = self._keys[kept], self._reached[kept]
        self._label = self._partner = np.zeros(0, np.uint32)

    def lookup(self, key: int) -> tuple[int, int, int]:
        """Identity of the component, of a hash like it in another split, and the splits reached; after `keep`.

        (0, 0, 0) where nothing is like it.
        """
        at = position(self._keys, key)
        if at is None:
            return 0, 0, 0
        return int(self._components[at]), int(self._partners[at]), int(self._reached[at])


def position(keys: np.ndarray, key: int) -> int | None:
    """Of a key among sorted ones; None where it is not one of them."""
    if not len(keys):
        return None
    at = int(keys.searchsorted(np.uint64(key)))
    return at if at < len(keys) and int(keys[at]) == key else None


def _join(label: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
    """Give what these pairs join the label of its least member; changes `label`."""
    while True:
        a, b = label[first], label[second]
        apart = a != b
        if not apart.any():
            return
        first, second = first[apart], second[apart]
        np.minimum.at(label, np.maximum(a, b)[apart], np.minimum(a, b)[apart])
        while (label[label] != label).any():
            label[:] = label[label]


# --- hashes that are near ---


def as_numbers(near: str) -> tuple[int, int, int]:
    """A hash as three numbers below 2⁶⁴: two of comparisons, one of colours; what else it holds is left out."""
    digits = near[:DIGITS].ljust(DIGITS, "0")
    return int(digits[:16], 16), int(digits[16:HASH_DIGITS], 16), int(digits[HASH_DIGITS:], 16)


def near_pairs(hashes: np.ndarray, colours: np.ndarray) -> Iterator[Pairs]:
    """Every pair of hashes within the tolerance, once, in batches.

    Exact, except where more than `CROWDED` hashes are equal in two bands, as in a film of a scene that stands still:
    each of those is compared with that many others.

    Args:
        hashes: (N, 2) uint64, no two alike together with their colours.
        colours: (N,) uint64.
    """
    if len(hashes) < 2:
        return
    waiting: list[Pairs] = []
    for first, second in _within_tolerance(hashes):
        alike = _same_colours(colours[first], colours[second])
        if alike.any():
            waiting.append((first[alike], second[alike]))
        if sum(len(first) for first, _ in waiting) > BATCH:
            yield _concatenated(waiting)
            waiting = []
    if waiting:
        yield _concatenated(waiting)


def _concatenated(pairs: list[Pairs]) -> Pairs:
    return np.concatenate([first for first, _ in pairs]), np.concatenate([second for _, second in pairs])


def _within_tolerance(hashes: np.ndarray) -> Iterator[Pairs]:
    """Pairs of hashes that differ in at most `TOLERANCE` bits, each once.

    Bits are dealt to bands so that all bands tell about as much. By the pigeonhole principle two hashes with at most
    k differing bits are equal in at least two of k + 2 bands: only those need to be compared.
    """
    bands = _bands(hashes)
    for one, other in combinations(range(BANDS), 2):
        for first, second in _equal_under(hashes, bands[one] | bands[other]):
            differing = hashes[first] ^ hashes[second]
            seen = np.zeros(len(first), bool)  # the pair belongs to the first two bands in which it is equal
            for band in range(other):
                if band != one:
                    seen |= ~(differing & bands[band]).any(axis=1)
            yield first[~seen], second[~seen]


def _bands(hashes: np.ndarray) -> np.ndarray:
    """(BANDS, 2) masks; each bit is in one of them, and those that vary most are spread over all."""
    sample = np.unpackbits(hashes[:: len(hashes) // SAMPLE + 1].view(np.uint8).reshape(-1, 16), axis=1)
    order = np.argsort(np.abs(sample.mean(axis=0) - 0.5), kind="stable")
    masks = np.zeros((BANDS, 128), np.uint8)
    masks[np.arange(128) % BANDS, order] = 1
    return np.packbits(masks, axis=1).view(np.uint64)


def _equal_under(hashes: np.ndarray, mask: np.ndarray) -> Iterator[Pairs]:
    """Pairs within the tolerance, of the hashes that are equal under the mask (2,)."""
    keys = (hashes[:, 0] & mask[0]) * ODD[0] ^ (hashes[:, 1] & mask[1]) * ODD[1]
    members = np.argsort(keys, kind="stable")
    keys = keys[members]
    again = np.flatnonzero(keys[1:] == keys[:-1])
    if not len(again):
        return
    # runs of equal keys, as positions [start, end) in the sorted order
    starts = again[np.r_[True, np.diff(again) > 1]]
    ends = again[np.r_[np.diff(again) > 1, True]] + 2
    lengths = ends - starts
    end_of = np.repeat(ends, lengths)
    at = np.arange(len(end_of)) + np.repeat(starts - np.r_[0, np.cumsum(lengths)[:-1]], lengths)
    for step in range(1, min(int(lengths.max()), CROWDED + 1)):
        within = at + step < end_of
        at, end_of = at[within], end_of[within]
        first, second = members[at], members[at + step]
        near = bit_count(hashes[first] ^ hashes[second]).sum(axis=1) <= TOLERANCE
        if near.any():
            yield first[near], second[near]


def _same_colours(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Whether the quarters' colours differ by little but one shift of brightness."""
    shifts = np.arange(0, 48, 4, dtype=np.uint64)
    a, b = ((side[:, None] >> shifts & np.uint64(15)).astype(np.int8) for side in (first, second))
    return np.abs((a - b) - np.median(a - b, axis=1, keepdims=True)).sum(axis=1) <= COLOUR_TOLERANCE
