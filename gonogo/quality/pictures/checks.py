"""What is wrong with a picture that is judged by itself, and with a set of pictures as a whole.

A fault makes a picture bad where a person would not train on it. What a person would keep, and a loader may fail on,
is a warning.
"""

from __future__ import annotations

from array import array
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from gonogo.config.quality_thresholds import ImagesGate, QualityGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.fault_counts import FaultGroup
from gonogo.quality.file_kind import Overview
from gonogo.quality.items import Fault, MeasuredItem
from gonogo.quality.pictures.by_nature import ByNature
from gonogo.quality.pictures.classes import ClassFolders
from gonogo.quality.pictures.label_checks import FORMS, label_check
from gonogo.quality.pictures.light import is_sparse, levels_in_use, light_faults
from gonogo.quality.pictures.mark_faults import mark_faults
from gonogo.quality.pictures.masks import Masks, is_mask
from gonogo.quality.pictures.neighbours import Neighbours
from gonogo.quality.pictures.shared_marks import MARKS, SharedMarks
from gonogo.quality.wording import percent
from gonogo.verdict import Check, Status

if TYPE_CHECKING:
    from gonogo.quality.pictures.items import ImageItem
    from gonogo.quality.pictures.measurements import PixelStatistics

ENLARGED = 0.4  # of rows and of columns that are the one before: pixels enlarged to blocks, as a digit of 8x8
SMOOTH_LAPLACIAN = 1.6  # variance, luma: a picture with more has something sharp in it somewhere
FEW_LEVELS = 2  # bits; a chessboard has blocks, too
GREATEST_NOISE = 60  # where the measure of noise saturates, luma


class ImageOverview(Overview):
    """What is common in the set: sizes, modes, colour, light. Ten bytes a picture beside its duplicates."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.gate, self.nature = SharedMarks(ImagesGate()), QualityGate(), ByNature()
        self._sizes = array("Q")
        self._modes, self._grey = Counter[str](), 0
        self._p99, self._range = (np.zeros(256, np.int64) for _ in range(2))
        self.size, self.mode, self.pictures, self._sparse = (0, 0), "", 0, 0
        self.masks, self.neighbours, self.classes = Masks(), Neighbours(), ClassFolders()
        self.size_share = self.mode_share = self.grey_share = self.median_area = 0.0

    def begin(self, gate: QualityGate) -> None:
        self.shared, self.gate = SharedMarks(gate.images), gate

    def add(self, item: MeasuredItem) -> None:
        picture: ImageItem = item  # type: ignore[assignment]
        mask = is_mask(picture)
        if not mask:  # of two pictures the masks may well be the same
            super().add(item)
        if item.problems:
            return
        self.masks.add(picture, mask)
        if mask:
            return
        self._sizes.append(picture.width << 32 | picture.height)
        self._modes[picture.mode] += 1
        self._grey += picture.grey_in_rgb or picture.mode.startswith("grey")
        self.nature.add(picture, self.gate)
        self.shared.add(picture)
        self.neighbours.add(picture)
        self.classes.add(picture)
        if picture.pixels:
            self._p99[picture.pixels.p99] += 1
            self._range[levels_in_use(picture.pixels)] += 1
            self._sparse += is_sparse(picture.pixels)

    def close(self) -> None:
        super().close()
        total = self.pictures = len(self._sizes)
        if not total:
            return
        sizes, counts = np.unique(np.frombuffer(self._sizes, np.uint64), return_counts=True)
        commonest = int(sizes[counts.argmax()])
        self.size, self.size_share = (commonest >> 32, commonest & 0xFFFFFFFF), float(counts.max()) / total
        areas = (sizes >> np.uint64(32)).astype(float) * (sizes & np.uint64(0xFFFFFFFF)).astype(float)
        order = np.argsort(areas)
        middle = np.searchsorted(counts[order].cumsum(), total / 2)
        self.median_area = float(areas[order][middle])
        self.mode = min(self._modes, key=lambda mode: (-self._modes[mode], mode))
        self.mode_share, self.grey_share = self._modes[self.mode] / total, self._grey / total
        self._sizes = array("Q")

    @property
    def p99(self) -> int | None:
        """Median over the pictures; None where there is none."""
        return _median(self._p99)

    @property
    def range(self) -> int | None:
        return _median(self._range)

    @property
    def sparse(self) -> bool:
        """Whether most pictures are a few bright things before nothing."""
        return 2 * self._sparse > self.pictures

    def is_natural(self, *looks: str) -> bool:
        """Whether one of these looks may lie in the nature of the set."""
        return any(self.nature.is_shared(look, self.gate) for look in looks)


def image_faults(picture: ImageItem, overview: ImageOverview, gate: ImagesGate) -> list[Fault]:
    """The checks that fire for a picture that was read; none for a mask, which only the set's are about."""
    if is_mask(picture):
        return []
    own = _content_faults(picture, gate) or [fault for fault in mark_faults(picture, gate) if fault.id not in MARKS]
    if natural := overview.nature.excused(picture, own, overview.gate):
        own = overview.shared.faults(picture) or [natural]
    content = own or overview.shared.faults(picture)
    return [*content, *_odd(picture, overview, gate), *_format_faults(picture)]


def _content_faults(picture: ImageItem, gate: ImagesGate) -> list[Fault]:
    """The gravest, without what only follows from it."""
    if min(picture.width, picture.height) < gate.min_side:
        return [Fault("too_small", f"{picture.width}x{picture.height}")]
    if picture.not_finite_share:
        return [Fault("not_finite", f"NaN or Inf {percent(picture.not_finite_share)}")]
    if picture.pixels is None:
        return []
    return (light_faults(picture, picture.pixels, gate) or _structure_faults(picture, picture.pixels, gate))[:1]


def _structure_faults(picture: ImageItem, y: PixelStatistics, gate: ImagesGate) -> list[Fault]:
    marks = picture.marks
    enlarged = marks is not None and min(marks.repeated_rows, marks.repeated_columns) > ENLARGED
    blocks = y.blocks > gate.max_blocks and y.entropy_bits > FEW_LEVELS and not enlarged
    white_noise = y.noise_sigma > gate.min_noise_share * min(y.sigma, GREATEST_NOISE)
    checks = [
        ("noise", f"noise {y.autocorrelation_1:.2f}", white_noise and y.autocorrelation_1 < gate.min_autocorrelation),
        ("specks", f"specks {y.specks:.0%}", y.specks > gate.max_speck_share),
        ("blocks", f"blocks {y.blocks:.1f}", blocks),
        (
            "blurred",
            f"no detail {picture.detail:.3f}",
            picture.detail < gate.min_detail and y.laplacian_variance < SMOOTH_LAPLACIAN,
        ),
    ]
    return [Fault(id_, reason) for id_, reason, fires in checks if fires]


def _odd(picture: ImageItem, overview: ImageOverview, gate: ImagesGate) -> list[Fault]:
    """What sets it apart from nearly all others."""
    faults = []
    size = (picture.width, picture.height)
    if size != overview.size and overview.size_share >= gate.common_share:
        faults.append(Fault("odd_size", f"{size[0]}x{size[1]}, not {overview.size[0]}x{overview.size[1]}", warns=True))
    elif not 1 / gate.max_area_ratio <= size[0] * size[1] / overview.median_area <= gate.max_area_ratio:
        faults.append(Fault("odd_size", f"{size[0]}x{size[1]}, far from the others", warns=True))
    if picture.mode != overview.mode and overview.mode_share >= gate.common_share:
        faults.append(Fault("odd_mode", f"{picture.mode}, not {overview.mode}", warns=True))
    elif picture.grey_in_rgb and overview.grey_share <= 1 - gate.common_share:
        faults.append(Fault("grey", "grey among colour", warns=True))
    return faults


def _format_faults(picture: ImageItem) -> list[Fault]:
    """What one loader reads otherwise than another."""
    checks = [
        ("palette", "palette", picture.palette),
        ("transparent", f"see-through {percent(picture.not_opaque_share)}", picture.not_opaque_share > 0),
        (
            "deep",
            f"{picture.mode}, {picture.bits_used} bits used",
            picture.mode.endswith("16") and picture.bits_used > 0,
        ),
        ("out_of_unit", f"outside 0-1 {percent(picture.outside_unit_share)}", picture.outside_unit_share > 0),
        ("cmyk", "CMYK", picture.mode.startswith("cmyk")),
        ("turned", f"EXIF orientation {picture.orientation}", picture.orientation != 1),
        ("frames", f"{picture.frames} frames", picture.frames > 1),
        ("suffix", f"is {picture.format}", picture.wrong_suffix),
    ]
    return [Fault(id_, reason, warns=True) for id_, reason, fires in checks if fires]


def image_fault_groups(gate: ImagesGate) -> list[FaultGroup]:
    return [
        FaultGroup(
            "light", "Pictures show something", {"dark", "white", "constant", "washed_out"},
            f"p99 under {gate.dark_p99:g}, white over {percent(gate.max_white_share)}, σ under {gate.min_sigma:g}, or "
            f"p99 - p1 under {gate.min_range:g}", "are black, white, of one colour or washed out",
            "Check how they were exposed, rendered or converted: 16 bits read as 8, or 0-1 written as 0-255. "
            "Opacity is dropped: lay black icons on a background first.",
        ),
        FaultGroup(
            "noise", "Pictures are not noise", {"noise", "specks", "not_finite"},
            f"autocorrelation under {gate.min_autocorrelation:g}, σ̂ over {gate.max_noise_sigma:g}, "
            f"single pixels over {percent(gate.max_speck_share)}, "
            "or any NaN or infinity", "are noise",
            "Check the generator's weights, and how the bytes were laid out. SAR, cryo-EM, tomography and single "
            "photons look the same; of these: gates.quality.images: {max_noise_sigma: 255, min_autocorrelation: -1, "
            "max_speck_share: 1}.",
        ),
        FaultGroup(
            "detail", "Pictures have detail", {"blurred", "soft", "blocks", "too_small"},
            f"thumbnail's Laplacian variance / variance under {gate.min_detail:g}, a grid {gate.max_blocks:g} times as "
            f"strong as what is near it, or a side under {gate.min_side} pixels", "have no detail",
            "Leave out thumbnails, failed renders and over-compressed files.",
        ),
        FaultGroup(
            "lines", "Rows and columns are whole", {"stripes", "repeated_lines", "lost_part", "rows_apart"},
            f"lines that alternate (lag 2 / lag 1 under {gate.min_alternation:g}), cuts over {percent(gate.max_seams)} "
            f"or repeated ones over {percent(gate.max_repeated_lines)}", "have lines lost, repeated or shifted",
            "Check the writer: strides, the order of the rows, buffers that are too small. Of ribs, blinds and hard "
            "stripes: gates.quality.images.max_seams: 1.",
        ),
        FaultGroup(
            "channels", "Channels are colours", {"channel_lost", "channels_alike", "colour_space", "planes"},
            "one empty or full, two alike, chroma or hue stored as colour, or channels first read as last",
            "have channels that are no colours",
            "Check the order of axes and channels, and the colour space, where the pictures are written.",
        ),
        FaultGroup(
            "levels", "Levels of the pictures", {"few_levels", "invisible", "overexposed"},
            "a few levels at equal distances, or fully transparent", "have lost their levels",
            "Look for a wrong type, bits cut off, and an opacity channel that was never filled.",
        ),
        FaultGroup(
            "format", "Pictures are of one size and mode, and plain", {
                "odd_size", "odd_mode", "grey", "palette", "transparent", "deep", "out_of_unit", "cmyk", "turned",
                "frames", "suffix",
            },
            "never bad: unlike nearly all others, or in a format that loaders read differently", "",
            "Convert them once, on purpose: size, mode, opacity, EXIF rotation. Of 16 bits Pillow's convert clips "
            "what is above 255, OpenCV keeps them all.",
        ),
    ]  # fmt: skip


def set_checks(overview: ImageOverview, gate: ImagesGate, rule: AcceptanceRule) -> list[Check]:
    """A whole set that is dark or washed out, which no picture shows: a night photograph is no fault."""
    p99, span = overview.p99, overview.range
    beside = overview.beside
    judged = [
        overview.masks.check(beside.get("masks"), rule),
        overview.neighbours.check(),
        overview.classes.check(overview.pictures, beside.get("empty_folders")),
    ]
    return [
        *(check for check in judged if check),
        *(label_check(found, rule) for form, found in sorted(beside.items()) if form in FORMS),
        *overview.shared.checks(),
        _median_check(
            "set_brightness", "Brightness of the set", p99, "luma, median of the 99th percentiles",
            gate.min_set_p99, gate.dim_set_p99, f"half of the pictures have hardly a pixel brighter than {p99} of 255",
            "If they were not all taken at night, check the exposure, or whether 16 bits were read as 8"
            + ("; a few bright cells or stars before nothing look the same." if overview.sparse else "."),
            excused=overview.sparse or overview.is_natural("opacity", "speckle", "stain"),
        ),
        _median_check(
            "set_contrast", "Contrast of the set", span, "luma, median of p99 - p1",
            gate.min_set_range, 2 * gate.min_set_range, f"half of the pictures use no more than {span} of 255 levels",
            "Check how they were normalised before they were written.", excused=overview.is_natural("opacity"),
        ),
    ]  # fmt: skip


def _median_check(
    id: str, title: str, value: int | None, unit: str, least: float, doubtful: float, why: str, hint: str,
    excused: bool = False,
) -> Check:  # fmt: skip
    if value is None:
        status = Status.UNKNOWN
    else:
        status = Status.NO_GO if value < least and not excused else Status.CAUTION if value < doubtful else Status.GO
    low = status in (Status.NO_GO, Status.CAUTION)
    return Check(
        id=id, title=title, value=value, unit=unit, threshold=f">= {least:g}; CAUTION below {doubtful:g}",
        status=status, why=why if low else "", hint=hint if low else "",
    )  # fmt: skip


def _median(bins: np.ndarray) -> int | None:
    total = int(bins.sum())
    return int(np.searchsorted(bins.cumsum(), total / 2)) if total else None
