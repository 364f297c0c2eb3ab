"""Faults that a picture shows by the marks of a broken step: lines, channels, levels, noise, parts lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gonogo.config.quality_thresholds import ImagesGate
from gonogo.quality.items import Fault

if TYPE_CHECKING:
    from gonogo.quality.pictures.items import ImageItem
    from gonogo.quality.pictures.measurements import Marks, PixelStatistics

LEAST_SIDE, LEAST_LINES = 32, 48  # pixels; below, a few lines are a large share
PAPER, PAPER_RANGE = 150, 0.35  # median luma of a page, and how little of the range lies above it
FLAT_SHARE = 0.8  # of pixels without any change: a drawing or a logo
NEARLY_BLACK = 24  # luma, median: stains before nothing
ENDS = (8, 247)  # levels within which a channel is empty or full
EMPTY_SIGMA = 0.06  # of the liveliest channel's standard deviation
ALIKE, UNLIKE = 0.055, 8.0  # two channels' difference / the third's; levels that the third differs by
CENTRE, CENTRE_REACH, CENTRE_SIGMA = 128, 62, 26  # levels, of chroma stored as a colour
LUMA_RATIO, CHROMA_LIKENESS = 1.8, 0.85
MANY_COLOURS = 185  # in 15 bits, of 768 pixels; a map of colours has up to 170, unless JPEG blurs them
APART_FINE, APART = 0.4, 0.7  # correlations of channels that do not belong together
MOST_NOISE = 0.4  # of the fine changes may be noise, where channels are compared
MOST_IN_ONE, LEAST_IN_SECOND, FEW_SHARE, LEVEL_GAP = 0.92, 0.05, 0.65, 24
THREE_SHARE, THREE_GAP = 0.99, 120  # black, mid-grey and white: events, wafers, trimaps; 2 bits are 64 levels apart
ONE_TINT = 0.995  # correlation of the third channel with two that are alike: a duotone, whose channels are one light
WRITTEN_TWICE = 0.3  # fine likeness of that third: photographs have .39 or more, two stains and two views under .18
ONE_LIGHT = 0.5  # levels between the two other channels: a table of colours (blue, white, red), whose third is full
STAINS_APART = 0.3  # fine likeness of two stains is less, of two channels of a photograph .37 or more
FLOWING = 0.04  # step ratio of a wheel of colours or a gradient, in which no detail is left to compare
UNIT_ERROR = 0.03  # normals have up to .012, colour spaces .056 or more
INDEPENDENT = 0.3  # likeness of three stains, whichever two, is under .18; of most hues and lights it is more
GREY_BITS = 5.5  # of luma; few levels of grey have less, JPEG included, a depth map of a ground has 5.7 and more
LEAST_FLAT = 0.15  # of pixels, in a photograph of few levels; a map of land use in tiny patches has .07
THIRDS, THIRDS_DETAIL = 0.8, 0.9  # correlation of thirds that are one picture; autocorrelation of what is too smooth


def mark_faults(picture: ImageItem, gate: ImagesGate) -> list[Fault]:
    """The gravest, if any, of a picture that was decoded."""
    if picture.invisible_share >= 1:
        return [Fault("invisible", "fully transparent")]
    y, marks, side = picture.pixels, picture.marks, min(picture.width, picture.height)
    if y is None or marks is None or side < LEAST_SIDE:
        return []
    found = list(_marks(y, marks, gate, side >= LEAST_LINES, picture.format != "jpeg"))
    return sorted(found, key=lambda fault: fault.warns)[:1]


def _marks(y: PixelStatistics, marks: Marks, gate: ImagesGate, lines: bool, lossless: bool) -> Iterator[Fault]:
    drawn = marks.flat_share > FLAT_SHARE
    page = drawn or _is_page(y)
    noise = noise_explained(y)
    if y.noise_sigma > gate.max_noise_sigma and noise > gate.min_noise_explained and not page:
        yield Fault("noise", f"noise sigma {y.noise_sigma:.0f}")
    if lines and not drawn:
        if marks.alternation < gate.min_alternation:
            yield Fault("stripes", f"every other line {marks.alternation:.2f}")
        if y.seams > gate.max_seams and not page:
            yield Fault("stripes", f"lines cut {y.seams:.0%}")
        repeated = (marks.repeated_rows, marks.repeated_columns)
        if max(repeated) > gate.max_repeated_lines > 2 * min(repeated):
            yield Fault("repeated_lines", f"lines repeated {max(repeated):.0%}")
    coloured = marks.most_apart > UNLIKE
    if coloured:
        yield from _channel_marks(y, marks, noise, drawn, lossless)
    if marks.thirds > THIRDS and y.autocorrelation_8 < THIRDS_DETAIL:
        yield Fault("planes", f"three times the same {marks.thirds:.2f}")
    if (
        marks.few_levels > FEW_SHARE
        and marks.level_gap >= LEVEL_GAP
        and marks.fullest_level < MOST_IN_ONE
        and marks.second_level > LEAST_IN_SECOND
        and marks.flat_share > LEAST_FLAT
        and not (drawn if coloured else page or y.entropy_bits > GREY_BITS)
    ):
        three = marks.few_levels > THREE_SHARE and marks.level_gap > THREE_GAP
        yield Fault("few_levels", f"few levels {marks.few_levels:.0%}", warns=three)


def noise_explained(y: PixelStatistics) -> float:
    """Share of neighbours' mean square difference that noise of Immerkær's σ̂ would make."""
    return y.noise_sigma**2 / max(y.sigma**2 * (1 - y.autocorrelation_1), 1)


def _is_page(y: PixelStatistics) -> bool:
    """Whether most of it is as light as paper is."""
    return y.p50 > PAPER and y.p95 - y.p50 <= PAPER_RANGE * (y.p50 - y.p5)


def _channel_marks(y: PixelStatistics, marks: Marks, noise: float, drawn: bool, lossless: bool) -> Iterator[Fault]:
    names = ("blue", "green", "red")
    means = [getattr(marks, f"mean_{name}") for name in names]
    sigmas = [getattr(marks, f"sigma_{name}") for name in names]
    least, middle, most = sorted(range(3), key=lambda at: sigmas[at])
    at_end = means[least] < ENDS[0] or means[least] > ENDS[1]
    lost = sigmas[least] < EMPTY_SIGMA * sigmas[most] and at_end
    alike = marks.least_apart < ALIKE * marks.most_apart
    if y.p50 >= NEARLY_BLACK:  # a stain before nothing may well have one channel, or two alike
        if lost:  # and no colour space leaves one so
            yield from _lost_channel(marks, f"{names[least]} is {means[least]:.0f}", sigmas[middle], drawn)
        elif not drawn and sigmas[middle] > 1 and alike and marks.third_likeness < ONE_TINT:
            yield Fault("channels_alike", "two channels alike", warns=marks.third_fine_likeness < WRITTEN_TWICE)
    if lost or marks.unit_error < UNIT_ERROR:
        return
    chroma = all(abs(means[at] - CENTRE) < CENTRE_REACH and sigmas[at] < CENTRE_SIGMA for at in (least, middle))
    apart = max(marks.fine_likeness if sigmas[middle] > 1 else 0, marks.likeness) < CHROMA_LIKENESS
    if chroma and apart and sigmas[most] > LUMA_RATIO * sigmas[middle]:
        yield Fault("colour_space", f"chroma as colour {marks.fine_likeness:.2f}")
    apart = marks.fine_likeness < APART_FINE and marks.likeness < APART
    by_nature = y.p50 < NEARLY_BLACK or marks.step_ratio < FLOWING
    if apart and lossless and marks.colours > MANY_COLOURS and noise < MOST_NOISE and not by_nature:
        reason = f"channels apart {marks.fine_likeness:.2f}"
        independent = max(abs(marks.likeness), marks.third_likeness) < INDEPENDENT
        yield Fault("colour_space", reason, warns=independent)


def _lost_channel(marks: Marks, reason: str, middle: float, drawn: bool) -> Iterator[Fault]:
    """Where a channel is empty or full; none where a table of colours or two stains leave it so."""
    only_one = middle <= 1  # a stain in its colour, or two that were lost
    if only_one or (marks.least_apart >= ONE_LIGHT and marks.fine_likeness >= STAINS_APART):
        yield Fault("channel_lost", reason, warns=only_one or drawn)  # a drawing may be in reds on white
