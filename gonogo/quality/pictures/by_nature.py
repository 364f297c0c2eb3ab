"""Looks that are a fault in one kind of pictures and lie in the nature of another.

A picture that looks so among others that do not is bad. Where many, or most, look so, it is a warning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.items import Fault

if TYPE_CHECKING:
    from gonogo.quality.pictures.items import ImageItem

RIBS = 0.17  # of the lines cut: below, it may be corrugated iron or a blind; every 8th row lost gives 0.24
BANDS = 0.2  # of the lines equal to the one before: bands were lost, no ribs; those give 0.4 and more
STRUCTURE = 0.08  # below the noise: white noise has up to 0.05, most of speckle, cryo-EM and tomography 0.16 and more
OF_ALL = 0.35  # of the pictures; SAR and stains do not come among clean photographs
BLACK_AND_WHITE = 0.05  # of the pixels are black and as many white: salt and pepper …
FEW_LEVELS = 2.1  # bits; … unless there is little else, as in a halftone
COLOURED = 1.5  # levels by which channels differ
EMPTY = 0.05  # of what the liveliest channel varies, or of what two channels differ
SHAPED = (0.02, 0.98)  # share of pixels without opacity: what it leaves is a shape


class NaturalLook(NamedTuple):
    """One that can be either."""

    words: str  # after the fault's reason: `lines cut 12%, or ribs`
    faults: frozenset[str]  # that it may be taken for
    is_borne: Callable[[ImageItem, QualityGate], bool]  # what is counted
    is_possible: Callable[[ImageItem, QualityGate], bool]  # what is excused once so many bear it
    least: Callable[[QualityGate], float]  # share of the pictures that bear it, above which it may be by nature


def _may_be_ribs(picture: ImageItem, gate: QualityGate) -> bool:
    """Whether its lines are cut no more, and no less, than those of corrugated iron and of blinds."""
    y, marks = picture.pixels, picture.marks
    if y is None or marks is None or marks.alternation < gate.images.min_alternation:
        return False
    return gate.images.max_seams < y.seams < RIBS and y.repeated_lines < BANDS


def _is_speckle(picture: ImageItem, gate: QualityGate) -> bool:
    """Whether there is structure below the noise; a patch of calm sea has none."""
    return _may_be_speckle(picture, gate) and picture.marks is not None and picture.marks.structure > STRUCTURE


def _may_be_speckle(picture: ImageItem, gate: QualityGate) -> bool:
    """Whether it is grey: in colours, noise of a sensor and noise that was added differ from channel to channel."""
    y = picture.pixels
    if y is None or not (picture.grey_in_rgb or picture.mode.startswith("grey")):
        return False
    return min(y.black_share, y.white_share) < BLACK_AND_WHITE or y.entropy_bits < FEW_LEVELS


def _is_stain(picture: ImageItem, gate: QualityGate) -> bool:
    """Whether it is coloured and a channel is empty, or one is there twice, its noise included: one light or two."""
    marks = picture.marks
    if marks is None or marks.most_apart < COLOURED:
        return False
    sigmas = (marks.sigma_blue, marks.sigma_green, marks.sigma_red)
    return min(sigmas) < EMPTY * max(sigmas) or marks.least_apart < EMPTY * marks.most_apart


def _is_shaped(picture: ImageItem, gate: QualityGate) -> bool:
    """Whether what it shows lies in its opacity, as of black icons."""
    return picture.alpha and SHAPED[0] < picture.invisible_share < SHAPED[1]


LOOKS: Mapping[str, NaturalLook] = {
    "ribs": NaturalLook("or ribs", frozenset({"stripes"}), _may_be_ribs, _may_be_ribs, lambda gate: gate.max_bad_items),
    "speckle": NaturalLook(
        "or speckle", frozenset({"noise", "specks"}), _is_speckle, _may_be_speckle, lambda gate: OF_ALL
    ),
    "stain": NaturalLook(
        "or a stain", frozenset({"dark", "washed_out", "noise"}), _is_stain, _is_stain, lambda gate: OF_ALL
    ),
    "opacity": NaturalLook(
        "or a shape in its opacity",
        frozenset({"dark", "constant", "white", "washed_out"}),
        _is_shaped,
        _is_shaped,
        lambda gate: gate.max_bad_items,
    ),
}


class ByNature:
    """Counts pictures by such looks."""

    def __init__(self) -> None:
        self._counts, self._total = Counter[str](), 0

    def add(self, picture: ImageItem, gate: QualityGate) -> None:
        self._total += 1
        self._counts.update(name for name, look in LOOKS.items() if look.is_borne(picture, gate))

    def is_shared(self, name: str, gate: QualityGate) -> bool:
        """Whether so many look like that that it may be their nature; after the last `add`."""
        return self._counts[name] > LOOKS[name].least(gate) * self._total

    def excused(self, picture: ImageItem, faults: list[Fault], gate: QualityGate) -> Fault | None:
        """The warning in place of a picture's only faults, where they may lie in the nature of the set."""
        for name, look in LOOKS.items():
            alike = faults and all(fault.id in look.faults for fault in faults)
            if alike and self.is_shared(name, gate) and look.is_possible(picture, gate):
                return Fault(faults[0].id, f"{faults[0].reason}, {look.words}", warns=True)
        return None
