"""Items that are in a set twice, or nearly, or on both sides of a split."""

from __future__ import annotations

import hashlib
from array import array

import numpy as np

from gonogo.quality.bits import bit_count
from gonogo.quality.items import Fault, MeasuredItem
from gonogo.quality.near_duplicates import NearDuplicates, as_numbers, position
from gonogo.quality.wording import percent
from gonogo.verdict import Check, Status, not_measured

REMEMBERED = 10_000  # names of originals that are kept; a later one is only "an earlier one"
NAMED_PAIRS = 5
COLLAPSE = 0.5  # share of the set that is the same over and over: NO-GO above
FEW = 4  # items; of fewer, half may be chance
CONTENT, GROUP, NEAR, COMPONENT = range(4)  # what two items have in common; COMPONENT: looks, over any number of steps
GOLDEN = 0x9E3779B97F4A7C15  # odd multiplier that spreads the splits' bits over a key


class DuplicateIndex:
    """Finds items with the same content, the same looks, or the same group in different splits.

    Fed with every item once (`add`), then closed; then it answers for each item (`faults`), and at last for the set
    (`checks`). Of several alike the first that `faults` is called with is the original. Counts are the same for every
    order of the items and every division into parts. Identities are 64 bits of hashes: among a million items the
    chance that any two are mistaken is 3·10⁻⁸.

    Attributes:
        items: that were added, without those that could not be read.
        copies: items with the content of another of their split.
        near_copies: items that look like another of their split, and have a content of their own.
        leaking: items with the content, group or looks of one in another split.
        surely_leaking: those without drawings that only look like one.
    """

    def __init__(self) -> None:
        self.items = self.copies = self.near_copies = self.leaking = self.surely_leaking = 0
        self._clear()
        self._splits: dict[str, int] = {}  # name → bit
        self._originals: dict[int, str] = {}  # identity → path of its first item, empty beyond `REMEMBERED`
        self._leaks: list[tuple[str, str, str]] = []  # path, path, what they have in common
        self._copied: list[tuple[str, str]] = []  # original and copy, paths

    def _clear(self) -> None:
        """Of every item, some 50 bytes; dropped when the index is closed."""
        self._content, self._group, self._near = array("Q"), array("Q"), array("Q")
        self._comparisons, self._colours, self._split = array("Q"), array("Q"), array("B")
        self._drawn = array("B")

    def add(self, item: MeasuredItem) -> None:
        if not item.content or item.problems:
            return
        self._content.append(_key(item.content))
        self._group.append(_key(item.group))
        self._near.append(_key(item.near))
        high, low, colours = as_numbers(item.near)
        self._comparisons.extend((high, low))
        self._colours.append(colours)
        self._split.append(self._bit(item.split))
        self._drawn.append(item.drawn)

    def close(self) -> None:
        content, group, near, comparisons, colours = (
            np.frombuffer(keys, np.uint64)
            for keys in (self._content, self._group, self._near, self._comparisons, self._colours)
        )
        split, drawn = np.frombuffer(self._split, np.uint8), np.frombuffer(self._drawn, np.uint8) > 0
        self._near_duplicates = NearDuplicates(near, comparisons, colours, split)
        self._clear()
        self.items = len(content)
        self._contents, self._groups = _Splits(content, split), _Splits(group, split)
        components, reached = self._near_duplicates.components(near)
        same = self._contents.of(content) | self._groups.of(group)
        self.leaking, self.surely_leaking = (
            int(np.count_nonzero((masks & ~split)[split > 0])) for masks in (same | reached, same | reached * ~drawn)
        )
        _, once = np.unique(_within(content, split), return_index=True)
        self.copies = len(content) - len(once)
        with_looks = once[near[once] > 0]
        self.near_copies = len(with_looks) - len(np.unique(_within(components[with_looks], split[with_looks])))
        self._drawings = 2 * int(np.count_nonzero(drawn)) > self.items
        self._repeated = _repeated(_within(content, split))
        self._near_duplicates.keep(_repeated(components[with_looks]))

    def faults(self, item: MeasuredItem) -> list[Fault]:
        if not item.content or item.problems:
            return []
        bit, content = self._bit(item.split), _key(item.content)
        faults = self._leak(item, bit, content)
        component, _, _ = self._near_duplicates.lookup(_key(item.near))
        copied = position(self._repeated, content ^ (bit * GOLDEN & 0xFFFFFFFFFFFFFFFF)) is not None
        if copied and (original := self._original(CONTENT, content, bit, item)):
            faults.append(Fault("copy_of", f"copy of {original}", warns=True))
        elif component and (original := self._original(COMPONENT, component, bit, item)):
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
        near, group = _key(item.near), _key(item.group)
        _, partner, reached = self._near_duplicates.lookup(near)
        in_common = [
            (CONTENT, "same content", content, content, self._contents.mask(content)),
            (GROUP, "same group", group, group, self._groups.mask(group)),
            (NEAR, "same looks", near, partner, reached),
        ]
        faults: list[Fault] = []
        for what, words, key, partners_key, mask in in_common:
            if not mask & ~bit:
                continue
            splits = [(name, other) for name, other in self._splits.items() if other & mask & ~bit]
            identities = [_identity(what, partners_key, other) for _, other in splits]
            paths = [path for identity in identities if (path := self._originals.get(identity))]
            self._first(what, key, bit, item)
            if not faults:
                if paths and len(self._leaks) < NAMED_PAIRS:
                    self._leaks.append((paths[0], item.path, words))
                where = paths[0] if paths else splits[0][0]
                faults = [Fault("leaks", f"{words} in {_short(where, item)}", warns=what == NEAR and item.drawn)]
        return faults

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
        if identity not in self._originals:
            self._originals[identity] = item.path if len(self._originals) < REMEMBERED else ""
            return item.path
        return self._originals[identity]

    def _bit(self, split: str) -> int:
        """Of a split's name; 0 for none."""
        return self._splits.setdefault(split, 1 << len(self._splits)) if split else 0

    # --- the set ---

    def _leakage(self, item: str) -> Check:
        id_, title = "leakage", "Splits that share nothing"
        if len(self._splits) < 2:
            what = f"all of it is {next(iter(self._splits))}" if self._splits else "folders train, val, test would"
            return not_measured(id_, title, f"the data names no two splits: {what}")
        pairs = "; ".join(f"{first} and {second} ({words})" for first, second, words in self._leaks)
        why = f"{self.leaking} of {self.items} {item}s have a match in another split: {pairs}"
        hint = "Split by subject or source before anything is cut or copied; of each pair keep one side."
        if not self.surely_leaking:
            hint = f"Different drawings on one layout can look the same: compare the pairs. {hint}"
        return Check(
            id=id_, title=title, value=self.leaking, unit=f"{item}s",
            threshold="none with the content, the group or the looks of one in another split; CAUTION for the looks of "
            "drawings",
            status=Status.NO_GO if self.surely_leaking else Status.CAUTION if self.leaking else Status.GO,
            why=why if self.leaking else "", hint=hint if self.leaking else "",
            evidence=[path for first, second, _ in self._leaks for path in (first, second)],
        )  # fmt: skip

    def _repetition(self, item: str) -> Check:
        """Copies within a split; NO-GO where most of the set is one and the same."""
        copies, total, crowd = self.copies + self.near_copies, self.items, self._near_duplicates.crowd
        alike = 0 if self._drawings else crowd
        collapsed = total >= FEW and max(alike, self.copies) > COLLAPSE * total
        why = f"{self.copies} of {total} {item}s are exact copies of others, {self.near_copies} look like another"
        if collapsed:
            why = f"most are the same: {why}" + (f"; {crowd} look like one" if crowd > COLLAPSE * total else "")
        hint = "Keep one of each, or count them on purpose."
        if self.near_copies and self._drawings:
            hint = f"Different drawings on one layout can look the same: compare the pairs. {hint}"
        if self._copied:
            why += ": " + "; ".join(f"{copy} of {original}" for original, copy in self._copied)
        same = "the same to the byte" if self._drawings else "the same"
        return Check(
            id="repetition", title=f"{item.capitalize()}s that are there once",
            value=round(100 * copies / total, 1) if total else None, unit=f"% of {item}s are copies",
            threshold=f"none; NO-GO where more than {percent(COLLAPSE)} are {same}",
            status=Status.NO_GO if collapsed else Status.CAUTION if copies else Status.GO,
            why=why if copies else "", hint=hint if copies else "",
            evidence=[path for pair in self._copied for path in pair],
        )  # fmt: skip


class _Splits:
    """The splits in which an identity occurs, of those that occur in several."""

    def __init__(self, keys: np.ndarray, split: np.ndarray) -> None:
        order = np.argsort(keys, kind="stable")
        self._keys, starts = np.unique(keys[order], return_index=True)
        self._masks = np.bitwise_or.reduceat(split[order], starts) if len(starts) else split
        several = (bit_count(self._masks) > 1) & (self._keys > 0)
        self._keys, self._masks = self._keys[several], self._masks[several]

    def of(self, keys: np.ndarray) -> np.ndarray:
        """(N,) masks; 0 where there are not several."""
        if not len(self._keys):
            return np.zeros(len(keys), np.uint8)
        at = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        return np.where(self._keys[at] == keys, self._masks[at], 0).astype(np.uint8)

    def mask(self, key: int) -> int:
        at = position(self._keys, key)
        return int(self._masks[at]) if at is not None else 0


def _key(text: str) -> int:
    """64 bits of a hash; 0 for an empty text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) if text else 0


def _within(keys: np.ndarray, split: np.ndarray) -> np.ndarray:
    """Identities of their own in each split."""
    return keys.astype(np.uint64) ^ split.astype(np.uint64) * np.uint64(GOLDEN)


def _identity(what: int, key: int, bit: int) -> int:
    return key << 16 | what << 8 | bit


def _repeated(keys: np.ndarray) -> np.ndarray:
    """Keys that occur more than once, sorted."""
    unique, counts = np.unique(keys, return_counts=True)
    return unique[counts > 1]


def _short(path: str, item: MeasuredItem) -> str:
    """From the item's own folder, where it lies there."""
    return path.removeprefix(f"{item.folder}/")
