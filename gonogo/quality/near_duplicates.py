"""Which of a set's items look alike, how many look like one, and whether one of them is in another split."""

from __future__ import annotations

import numpy as np

from gonogo.quality.perceptual_hashes import near_pairs


class NearDuplicates:
    """Which looks of a set are alike, and in which splits they are.

    Attributes:
        crowd: how many items look like one of them, at most.
    """

    def __init__(self, looks: np.ndarray, comparisons: np.ndarray, colours: np.ndarray, split: np.ndarray) -> None:
        """
        Args:
            looks: (N,) identities of the items' looks, 0 for one without.
            comparisons: (2 N,) `as_numbers`, two for each item; `colours`: (N,), the third.
            split: (N,) the items' splits as bits, 0 for none.
        """
        order = np.argsort(looks, kind="stable")
        self._keys, starts, counts = np.unique(looks[order], return_index=True, return_counts=True)
        splits = np.bitwise_or.reduceat(split[order], starts) if len(starts) else split
        if len(self._keys) and self._keys[0] == 0:
            self._keys, starts, counts, splits = self._keys[1:], starts[1:], counts[1:], splits[1:]
        first = order[starts]
        n = len(self._keys)
        self._label, crowds = np.arange(n, dtype=np.uint32), counts.copy()
        self._reached, self._partner = splits.copy(), np.arange(n, dtype=np.uint32)
        for one, other in near_pairs(comparisons.reshape(-1, 2)[first], colours[first]):
            _join(self._label, one, other)
            for here, there in ((one, other), (other, one)):
                np.add.at(crowds, here, counts[there])
                abroad = (splits[there] & ~splits[here]) > 0
                self._partner[here[abroad]] = there[abroad]
                np.bitwise_or.at(self._reached, here, splits[there])
        alone = np.bitwise_count(splits) > 1  # its partner in another split looks exactly the same
        self._partner[alone] = np.flatnonzero(alone)
        self.crowd = int(crowds.max(initial=0))

    def of(self, looks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Identities (N,) uint64 of what hangs together by being alike, and the splits (N,) with a like; 0: no look."""
        if not len(self._keys):
            return np.zeros(len(looks), np.uint64), np.zeros(len(looks), np.uint8)
        at = np.searchsorted(self._keys, looks).clip(max=len(self._keys) - 1)
        known = self._keys[at] == looks
        return np.where(known, self._keys[self._label[at]], 0), np.where(known, self._reached[at], 0).astype(np.uint8)

    def keep_repeated(self, components: np.ndarray) -> None:
        """Forget the looks of all but these components."""
        kept = np.isin(self._keys[self._label], components)
        self._components, self._partners = self._keys[self._label][kept], self._keys[self._partner][kept]
        self._keys, self._reached = self._keys[kept], self._reached[kept]
        self._label = self._partner = np.zeros(0, np.uint32)

    def like(self, look: int) -> tuple[int, int, int]:
        """Identity of what it hangs together with, of a look like it in another split, and the splits with one.

        (0, 0, 0) where nothing is like it. To be asked after `keep_repeated`.
        """
        at = place(self._keys, look)
        if at is None:
            return 0, 0, 0
        return int(self._components[at]), int(self._partners[at]), int(self._reached[at])


def place(keys: np.ndarray, key: int) -> int | None:
    """Where a key stands among sorted ones; None where it is not there."""
    if not len(keys):
        return None
    at = int(keys.searchsorted(np.uint64(key)))
    return at if at < len(keys) and int(keys[at]) == key else None


def _join(label: np.ndarray, one: np.ndarray, other: np.ndarray) -> None:
    """Give what these pairs join the label of its least member; changes `label`."""
    while True:
        mine, theirs = label[one], label[other]
        apart = mine != theirs
        if not apart.any():
            return
        one, other = one[apart], other[apart]
        np.minimum.at(label, np.maximum(mine, theirs)[apart], np.minimum(mine, theirs)[apart])
        while (label[label] != label).any():
            label[:] = label[label]
