"""Items that are there twice, or nearly, or on both sides of a split."""

from __future__ import annotations

import hashlib
from array import array

import numpy as np

from gonogo.quality.items import Fault, MeasuredItem
from gonogo.quality.near_duplicates import NearDuplicates, place
from gonogo.quality.perceptual_hashes import as_numbers
from gonogo.quality.wording import percent
from gonogo.verdict import Check, Status

REMEMBERED = 10_000  # names of originals that are kept; of later ones it is known that they were there
NAMED_PAIRS = 5
COLLAPSE = 0.5  # share of the set that is the same over and over: NO-GO above
FEW = 4  # items; of fewer, half may be chance
CONTENT, GROUP, LOOK, ALIKE = range(4)  # what two items have in common; ALIKE: looks, over any number of steps


class DuplicateIndex:
    """Finds items with the same content, the same looks, or the same group in different splits.

    Fed with every item once (`add`), then closed; then it answers for each item (`faults`), and at last for the set
    (`checks`). Of several alike the first that is asked about is the original. Counts are the same for every order of
    the items and every division into parts. Identities are 64 bits of hashes: among a million items the chance that
    any two are mistaken is 3·10⁻⁸.

    Attributes:
        items: that were added, without those that could not be read.
        copies: items with the content of another of their split.
        near_copies: items that look like another of their split, and have a content of their own.
        leaking: items with the content, group or looks of one in another split.
    """

    def __init__(self) -> None:
        self.items = self.copies = self.near_copies = self.leaking = 0
        # of every item, some 50 bytes; given up when closed
        self._content, self._group, self._look = array("Q"), array("Q"), array("Q")
        self._comparisons, self._colours, self._split = array("Q"), array("Q"), array("B")
        self._splits: dict[str, int] = {}  # name → bit
        self._seen: dict[int, str] = {}  # what was asked about → the first path, empty beyond `REMEMBERED`
        self._pairs: list[tuple[str, str, str]] = []  # that leak: path, path, what they have in common
        self._copied: list[tuple[str, str]] = []  # original and copy, paths

    def add(self, item: MeasuredItem) -> None:
        if not item.content or item.problems:
            return
        self._content.append(_key(item.content))
        self._group.append(_key(item.group))
        self._look.append(_key(item.near))
        high, low, colours = as_numbers(item.near)
        self._comparisons.extend((high, low))
        self._colours.append(colours)
        self._split.append(self._bit(item.split))

    def close(self) -> None:
        content, group, look, comparisons, colours = (
            np.frombuffer(keys, np.uint64)
            for keys in (self._content, self._group, self._look, self._comparisons, self._colours)
        )
        split = np.frombuffer(self._split, np.uint8)
        likeness = NearDuplicates(look, comparisons, colours, split)
        self._content, self._group, self._look = array("Q"), array("Q"), array("Q")
        self._comparisons, self._colours, self._split = array("Q"), array("Q"), array("B")
        self.items = len(content)
        self._contents, self._groups = _Splits(content, split), _Splits(group, split)
        components, reached = likeness.of(look)
        leaking = (self._contents.of(content) | self._groups.of(group) | reached) & ~split
        self.leaking = int(np.count_nonzero(leaking[split > 0]))
        _, once = np.unique(_within(content, split), return_index=True)
        self.copies = len(content) - len(once)
        seen = once[look[once] > 0]
        self.near_copies = len(seen) - len(np.unique(_within(components[seen], split[seen])))
        self._repeated = _repeated(_within(content, split))
        likeness.keep_repeated(_repeated(components[seen]))
        self._likeness = likeness

    def faults(self, item: MeasuredItem) -> list[Fault]:
        if not item.content or item.problems:
            return []
        bit, content = self._bit(item.split), _key(item.content)
        faults = self._leak(item, bit, content)
        component, _, _ = self._likeness.like(_key(item.near))
        if place(self._repeated, _mixed(content, bit)) is not None and (
            original := self._original(CONTENT, content, bit, item)
        ):
            faults.append(Fault("copy_of", f"copy of {original}", warns=True))
        elif component and (original := self._original(ALIKE, component, bit, item)):
            faults.append(Fault("near_copy", f"nearly {original}", warns=True))
        return faults

    def checks(self, item: str) -> list[Check]:
        """Leakage between splits, and repetition within.

        Args:
            item: what one is called.
        """
        return [self._leakage(item), self._repetition(item)]

    # --- one item ---

    def _leak(self, item: MeasuredItem, bit: int, content: int) -> list[Fault]:
        if not bit:
            return []
        look = _key(item.near)
        _, partner, reached = self._likeness.like(look)
        asked = [
            (CONTENT, "same content", content, content, self._contents.mask(content)),
            (GROUP, "same group", _key(item.group), _key(item.group), self._groups.mask(_key(item.group))),
            (LOOK, "same looks", look, partner, reached),
        ]
        found: list[Fault] = []
        for what, words, key, others_key, mask in asked:
            if not mask & ~bit:
                continue
            others = [(name, other) for name, other in self._splits.items() if other & mask & ~bit]
            paths = [path for _, other in others if (path := self._seen.get(_identity(what, others_key, other)))]
            self._first(what, key, bit, item)
            if not found:
                if paths and len(self._pairs) < NAMED_PAIRS:
                    self._pairs.append((paths[0], item.path, words))
                where = paths[0] if paths else others[0][0]
                found = [Fault("leaks", f"{words} in {_short(where, item)}")]
        return found

    def _original(self, what: int, key: int, bit: int, item: MeasuredItem) -> str:
        """Name of the first with this in common; empty for itself."""
        first = self._first(what, key, bit, item)
        if first == item.path:
            return ""
        if first and len(self._copied) < NAMED_PAIRS:
            self._copied.append((first, item.path))
        return _short(first, item) or "an earlier one"

    def _first(self, what: int, key: int, bit: int, item: MeasuredItem) -> str:
        identity = _identity(what, key, bit)
        if identity not in self._seen:
            self._seen[identity] = item.path if len(self._seen) < REMEMBERED else ""
            return item.path
        return self._seen[identity]

    def _bit(self, split: str) -> int:
        """Of a split's name; 0 for none."""
        return self._splits.setdefault(split, 1 << len(self._splits)) if split else 0

    # --- the set ---

    def _leakage(self, item: str) -> Check:
        id_, title = "leakage", "Splits that share nothing"
        if len(self._splits) < 2:
            what = f"all of it is {next(iter(self._splits))}" if self._splits else "folders train, val, test would"
            return Check(id=id_, title=title, status=Status.GO, why=f"the data names no two splits: {what}")
        pairs = "; ".join(f"{first} and {second} ({words})" for first, second, words in self._pairs)
        why = (
            f"{self.leaking} of {self.items} {item}s have their like in another split: {pairs}" if self.leaking else ""
        )
        return Check(
            id=id_,
            title=title,
            value=self.leaking,
            unit=f"{item}s",
            threshold="none with the content, the group or the looks of one in another split",
            status=Status.NO_GO if self.leaking else Status.GO,
            why=why,
            hint="Split by subject or source before anything is cut or copied; of each pair keep one side."
            if self.leaking
            else "",
            evidence=[path for first, second, _ in self._pairs for path in (first, second)],
        )

    def _repetition(self, item: str) -> Check:
        """Copies within a split; NO-GO where most of the set is one and the same."""
        copies, n = self.copies + self.near_copies, self.items
        crowd = self._likeness.crowd
        collapsed = n >= FEW and max(crowd, self.copies) > COLLAPSE * n
        status = Status.NO_GO if collapsed else Status.CAUTION if copies else Status.GO
        pairs = "; ".join(f"{copy} of {original}" for original, copy in self._copied)
        told = f"{self.copies} of {n} {item}s are copies of others to the byte, {self.near_copies} look like another"
        if collapsed:
            told = f"most are the same: {told}" + (f"; {crowd} look like one" if crowd > COLLAPSE * n else "")
        return Check(
            id="repetition",
            title=f"{item.capitalize()}s that are there once",
            value=round(100 * copies / n, 1) if n else None,
            unit=f"% of {item}s are copies",
            threshold=f"none; NO-GO where more than {percent(COLLAPSE)} are the same",
            status=status,
            why="" if not copies else f"{told}: {pairs}" if pairs else told,
            hint="Keep one of each, or count them on purpose." if copies else "",
            evidence=[path for pair in self._copied for path in pair],
        )


class _Splits:
    """The splits in which an identity occurs, of those that occur in several."""

    def __init__(self, keys: np.ndarray, split: np.ndarray) -> None:
        order = np.argsort(keys, kind="stable")
        self._keys, starts = np.unique(keys[order], return_index=True)
        self._masks = np.bitwise_or.reduceat(split[order], starts) if len(starts) else split
        several = (np.bitwise_count(self._masks) > 1) & (self._keys > 0)
        self._keys, self._masks = self._keys[several], self._masks[several]

    def of(self, keys: np.ndarray) -> np.ndarray:
        """(N,) masks; 0 where there are not several."""
        if not len(self._keys):
            return np.zeros(len(keys), np.uint8)
        at = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        return np.where(self._keys[at] == keys, self._masks[at], 0).astype(np.uint8)

    def mask(self, key: int) -> int:
        at = place(self._keys, key)
        return int(self._masks[at]) if at is not None else 0


def _key(text: str) -> int:
    """64 bits of a hash; 0 for an empty text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) if text else 0


def _mixed(key: int, bit: int) -> int:
    return key ^ (bit * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)


def _within(keys: np.ndarray, split: np.ndarray) -> np.ndarray:
    """Identities of their own in each split."""
    return keys.astype(np.uint64) ^ split.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def _identity(what: int, key: int, bit: int) -> int:
    return key << 16 | what << 8 | bit


def _repeated(keys: np.ndarray) -> np.ndarray:
    """Those that are there more than once, sorted."""
    unique, counts = np.unique(keys, return_counts=True)
    return unique[counts > 1]


def _short(path: str, item: MeasuredItem) -> str:
    """From the item's own folder, where it lies there."""
    return path.removeprefix(f"{item.folder}/")
