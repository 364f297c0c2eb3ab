"""Masks beside pictures, known by names and few levels: labels of pixels, and not judged as pictures are."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.label_findings import LabelFindings
from gonogo.quality.pictures.label_names import is_label_name, key_of, stem_of
from gonogo.quality.wording import listed, percent
from gonogo.verdict import Check, Status

if TYPE_CHECKING:
    from gonogo.quality.pictures.items import ImageItem

MOST_BITS = 4.0  # entropy of a mask's levels; photographs and renders have 5 to 8
MOSTLY = 0.5  # share of masks that mark nothing: CAUTION above
TURNED = range(5, 9)  # EXIF orientations that exchange width and height
NAMED, EXAMPLES, VALUES = 10_000, 2, 12  # paths that are kept, and named; values that are listed
KEY = 0xFFFFFFFFFFFFFFFF


def is_mask(picture: ImageItem) -> bool:
    """Whether a folder or the end of its name says so, and it has few levels."""
    if picture.pixels is None or picture.pixels.entropy_bits > MOST_BITS:
        return False
    return is_label_name(picture.name)


class _Files:
    """Names and sizes of many files; 33 bytes each, and the first paths."""

    def __init__(self) -> None:
        self._keys, self._stems, self._sizes = array("Q"), array("Q"), array("Q")
        self._folders, self._turns = array("Q"), array("B")
        self.paths: list[str] = []

    def add(self, picture: ImageItem) -> None:
        self._keys.append(hash(key_of(picture.name)) & KEY)
        self._stems.append(hash(stem_of(picture.name)) & KEY)
        self._sizes.append(picture.width << 32 | picture.height)
        self._folders.append(hash(picture.name.rpartition("/")[0]) & KEY)
        self._turns.append(picture.orientation & 0xFF)
        if len(self.paths) < NAMED:
            self.paths.append(picture.path)

    def keys(self, by_stem: bool) -> np.ndarray:
        return np.frombuffer(self._stems if by_stem else self._keys, np.uint64)

    @property
    def sizes(self) -> np.ndarray:
        return np.frombuffer(self._sizes, np.uint64)

    @property
    def turns(self) -> np.ndarray:
        return np.frombuffer(self._turns, np.uint8)

    def in_half_full_folders(self, partnered: np.ndarray) -> np.ndarray:
        """Places without a partner in folders where at least half have one.

        Args:
            partnered: (n,) bool.
        """
        folders = np.unique(np.frombuffer(self._folders, np.uint64), return_inverse=True)[1]
        shares = np.bincount(folders, partnered) / np.bincount(folders)
        return np.flatnonzero(~partnered & (shares[folders] >= MOSTLY))

    def __len__(self) -> int:
        return len(self._keys)

    def examples(self, places: np.ndarray) -> list[str]:
        """Paths of the first of these places that are kept."""
        return [self.paths[at] for at in places[places < len(self.paths)][:EXAMPLES].tolist()]


class Masks:
    """How masks and pictures of a set belong together, by their names and sizes."""

    def __init__(self) -> None:
        self._masks, self._pictures = _Files(), _Files()
        self._empty = array("Q")  # places among the masks
        self.partnered = 0  # pictures with a mask of their name

    def add(self, picture: ImageItem, mask: bool) -> None:
        """An item that was read."""
        if mask and picture.pixels and picture.pixels.sigma == 0:
            self._empty.append(len(self._masks))
        (self._masks if mask else self._pictures).add(picture)

    def check(self, values: LabelFindings | None, rule: AcceptanceRule) -> Check | None:
        """Of a set that has masks.

        Args:
            values: what a sample of the masks holds.
        """
        total = len(self._masks)
        if not total:
            return None
        found: list[tuple[str, list[str]]] = []
        paired, unlike = self._pair(found)
        empty = np.frombuffer(self._empty, np.uint64)
        nothing = len(empty) == total and not (values and values.bad < values.labels)
        if len(empty) > MOSTLY * total:
            what = f"{len(empty)} of {total} masks have one value throughout: they mark nothing"
            found.insert(0, (what, self._masks.examples(empty)))
        if values:
            found += [(f"{one.count} of {values.labels} {one.what}", one.first) for one in values.problems]
        grave = nothing or rule.stops(unlike, paired)
        why = [what + (f" ({', '.join(paths)})" if paths else "") for what, paths in found]
        return Check(
            id="masks", title="Masks mark something, and belong to pictures", value=total, unit="masks",
            threshold=f"NO-GO where none marks anything, or above {percent(rule.tolerance)} of another size; CAUTION "
            f"above {percent(MOSTLY)} empty, or where pairs or values do not match",
            status=Status.NO_GO if grave else Status.CAUTION if found else Status.GO,
            why="; ".join([*why, *self._shares(), *_listed_values(values)]),
            evidence=[path for _, paths in found for path in paths][:10],
            hint="Check how the masks were drawn, resized, saved (PNG, not JPEG) and named." if found else "",
        )  # fmt: skip

    def _shares(self) -> list[str]:
        total = len(self._pictures)
        return [f"{self.partnered} of {total} pictures have a mask"] if 0 < self.partnered < total else []

    def _pair(self, found: list[tuple[str, list[str]]]) -> tuple[int, int]:
        """How many masks have a picture of their name, and are surely of another size than it; notes what is wrong."""
        masks, pictures = self._masks, self._pictures
        if not len(pictures):
            return 0, 0
        shares = [np.isin(masks.keys(by_stem), pictures.keys(by_stem)).mean() for by_stem in (False, True)]
        by_stem = bool(shares[0] < MOSTLY and shares[1] > shares[0])
        keys, own = pictures.keys(by_stem), masks.keys(by_stem)
        order = np.argsort(keys, kind="stable")
        starts, ends = (np.searchsorted(keys[order], own, side) for side in ("left", "right"))
        matched = ends > starts
        paired = int(matched.sum())
        unlike: list[int] = []
        turned: list[int] = []
        for at in np.flatnonzero(matched).tolist():
            partners = order[starts[at] : ends[at]]
            size, turns = int(masks.sizes[at]), pictures.turns[partners]
            sizes = pictures.sizes[partners]
            if masks.turns[at] <= 1 and (turns > 1).any() and (sizes == size).any():
                turned.append(at)
            elif not (sizes == size).any():
                swapped = (size & 0xFFFFFFFF) << 32 | size >> 32
                (turned if ((sizes == swapped) & np.isin(turns, TURNED)).any() else unlike).append(at)
        alone = np.flatnonzero(~matched)
        partnered = np.isin(keys, own)
        self.partnered = int(partnered.sum())
        bare = pictures.in_half_full_folders(partnered)
        total = len(masks)
        sorts: list[tuple[str, _Files, list[int] | np.ndarray]] = [
            (f"{len(unlike)} of {total} masks are of another size than the picture of their name", masks, unlike),
            (
                f"{len(turned)} of {total} masks belong to a picture that EXIF turns, and have no such mark: "
                "where a loader turns the picture alone, they do not fit",
                masks, turned,
            ),
            (f"{len(alone)} of {total} masks have no picture of their name, though others do", masks, alone),
            (f"{len(bare)} of {len(pictures)} pictures have no mask of their name, though others do", pictures, bare),
        ]  # fmt: skip
        for what, files, places in sorts:
            if len(places) and paired:
                found.append((what, files.examples(np.asarray(places))))
        certain = not by_stem or len(np.unique(keys)) == len(keys)
        return paired, len(unlike) if certain else 0


def _listed_values(values: LabelFindings | None) -> list[str]:
    if not values or not values.values:
        return []
    commonest = sorted(values.values.items(), key=lambda entry: (-entry[1], entry[0]))
    said = [f"{value} (in {count})" for value, count in commonest]
    return [f"values of {values.labels} masks: {listed(said, most=VALUES)}"]
