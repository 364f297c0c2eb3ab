"""One picture compared with another: the faults of a target Y that was made from an input X.

Also for predictions, against their inputs or their references.
"""

from __future__ import annotations

from math import erfc, exp, log, sqrt

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.items import Fault
from gonogo.quality.pictures.measurements import PairStatistics, PixelStatistics

# Companions of QualityGate's thresholds, set together with them as benchmarks/gate_accuracy.py says.
# A picture is compared with its input because night scenes, snow, line drawings and silhouettes are no faults.
DARK_RATIO = 0.6  # dark in absolute terms counts below this brightness ratio …
BLACK_P99 = 20  # … or where hardly a pixel is brighter than this
BLACK_BORDER_SHARE, BLACK_BORDER_LEVEL = 0.9, 8  # an object before a uniform black background is not dark
BRIGHT_MEAN = 150
OVEREXPOSED_EXCESS, OVEREXPOSED_RATIO = 0.2, 1.2  # of white share over X's, where Y is that much brighter at all
RANGE_RATIO = 0.22
AUTOCORRELATION_DROP, AUTOCORRELATION_8_DROP = 0.2, 0.3  # below X's
BLOTCHY_LIKENESS = 0.35  # to X; above, the picture is still there
BLOTCHY_DETAIL, BLOTCHY_COLOURS = 1.5, 16  # more going on than in X, other colours (levels): enough without a drop
NOISE_RATIO, NOISE_OFFSET = 3, 6  # σ̂ of Y over 3 σ̂(X) + 6
SPECKS_RATIO, SPECK_LEVELS = 1.5, 21  # over X's; σ that a speck is off its neighbours (128 of a kernel of length 6)
COARSE_RATIO = 0.8  # of detail in the thumbnail; above, only pixels became softer
LEAST_SHARPNESS = 1e-4  # added to either side of a ratio
LEAST_INPUT_COVERAGE, COVERING_RANGE = 0.02, 60  # an input with less off its border, or less contrast, shows nothing
COPY_DIFFERENCE, COPY_SIGMAS = 1.5, 0.03  # of 32×32 thumbnails, 0-255, and in σ of X
SAVED_AGAIN = 0.5  # of that
BACKGROUND_SHARE = 0.5  # of one luma: lines of it are alike and yet not repeated
SEAMS_RATIO = 1.5
JUMP_FLOOR = 2  # luma added to differences of neighbours before their ratio is taken
BLOCKS_RATIO = 1.4  # over X's
TELLING_COLOUR = 4  # root mean square chroma of X; below, it has no colours to lose
GREY_SHARE = 0.1  # of X's chroma: below, Y is grey
TELLING_TINTS, TINTS_SHARE = 4, 0.3  # chroma of X that light does not explain; of that, below: Y is of one tint
EXCHANGED_RATIO, EXCHANGED_FLOOR = 1.15, 2  # difference as it is / with channels exchanged; levels added to both
EXCHANGED_DIFFERENCE = 4  # levels; a smaller one cannot be seen
FLAT_CHANNEL, LIVE_CHANNEL = 1.0, 6.0  # standard deviation of a channel in Y that is lost, in X that is there
TELLING_LAYOUT = 0.25  # σ of X's 16×16 thumbnail / σ of X; below, texture has no layout
TURNED_LIKENESS = 0.55
INVERTED_MARGIN = 20  # luma by which 255 - Y may be further from X than Y is


def picture_faults(y: PixelStatistics, gate: QualityGate) -> list[Fault]:
    """What is wrong with a picture whatever it was made from."""
    if y.sigma < gate.min_sigma or y.mode_share > gate.max_mode_share:
        return [Fault("constant", "one colour")]
    return []


def pair_faults(x: PixelStatistics, y: PixelStatistics, pair: PairStatistics, gate: QualityGate) -> list[Fault]:
    """What is wrong with Y, made from X.

    What only follows from a fault is left out: a dark picture is flat, a flat one seems empty.
    """
    faults = picture_faults(y, gate)
    if _dark(x, y, gate):
        return [Fault("dark", f"dark {y.mean / 255:.2f}"), *faults]
    faults += _light(x, y, gate)
    if "constant" in {fault.id for fault in faults}:
        return faults
    flat = _range(y) < min(gate.min_range, RANGE_RATIO * _range(x))
    if flat:
        faults.append(Fault("washed_out", f"flat {_range(y) / 255:.2f}"))
    elif _covered(x) and y.coverage < gate.min_coverage_ratio * x.coverage:
        faults.append(Fault("coverage", f"empty {1 - y.coverage:.0%}"))
    faults += _noise(x, y, pair, gate) or _broken(x, y, gate)
    if _blurred(x, y, pair, gate):
        faults.append(Fault("blurred", f"blurred {y.sharpness:.3f}"))
    if _copied(x, pair, gate):
        faults.append(Fault("copy", "copy of input"))
    return faults or _levels(x, y, gate) or _orientation(x, y, pair, gate) or _colours(pair, gate)


def brightness_ratio(x: PixelStatistics, y: PixelStatistics) -> float:
    """(mean Y + 1) / (mean X + 1), luma 0-255."""
    return (y.mean + 1) / (x.mean + 1)


def _dark(x: PixelStatistics, y: PixelStatistics, gate: QualityGate) -> bool:
    ratio = brightness_ratio(x, y)
    if ratio < gate.min_brightness_ratio:
        return True
    before_black = (
        y.border_share > BLACK_BORDER_SHARE and y.border_level < BLACK_BORDER_LEVEL and y.p99 >= gate.dark_p99
    )
    dark = (y.p99 < gate.dark_p99 or y.p95 < gate.dark_p95) and (ratio < DARK_RATIO or y.p99 < BLACK_P99)
    return dark and not before_black


def _light(x: PixelStatistics, y: PixelStatistics, gate: QualityGate) -> list[Fault]:
    """Too much light, or parts without any."""
    faults, ratio = [], brightness_ratio(x, y)
    if ratio > gate.max_brightness_ratio and y.mean > BRIGHT_MEAN:
        faults.append(Fault("too_bright", f"bright {y.mean / 255:.2f}"))
    if ratio > OVEREXPOSED_RATIO and y.white_share > max(gate.max_white_share, x.white_share + OVEREXPOSED_EXCESS):
        faults.append(Fault("overexposed", f"white {y.white_share:.0%}"))
    if y.black_share > x.black_share + gate.max_black_excess:
        faults.append(Fault("black_parts", f"black {y.black_share:.0%}"))
    return faults


def _noise(x: PixelStatistics, y: PixelStatistics, pair: PairStatistics, gate: QualityGate) -> list[Fault]:
    near, far = y.autocorrelation_1, y.autocorrelation_8
    if near < min(gate.min_autocorrelation, x.autocorrelation_1 - AUTOCORRELATION_DROP):
        return [Fault("noise", f"noise {near:.2f}")]
    faults = []
    dropped = far < x.autocorrelation_8 - AUTOCORRELATION_8_DROP
    busier = pair.detail_ratio > BLOTCHY_DETAIL or pair.colour_difference > BLOTCHY_COLOURS
    if pair.likeness < BLOTCHY_LIKENESS and far < gate.min_autocorrelation_8 and (dropped or busier):
        faults.append(Fault("blotchy", f"blotchy {far:.2f}"))
    if y.noise_sigma > max(gate.max_noise_sigma, NOISE_RATIO * x.noise_sigma + NOISE_OFFSET):
        faults.append(Fault("noisy", f"noisy {y.noise_sigma:.0f}"))
    elif y.specks > gate.max_specks + SPECKS_RATIO * x.specks + _grain(y.noise_sigma):
        faults.append(Fault("specks", f"specks {y.specks:.0%}"))
    return faults


def _grain(noise_sigma: float) -> float:
    """The share of specks that noise of this σ̂ has by itself: a normal distribution's tails."""
    return erfc(SPECK_LEVELS / max(noise_sigma, 1) / sqrt(2))


def _broken(x: PixelStatistics, y: PixelStatistics, gate: QualityGate) -> list[Fault]:
    """Rows, columns or blocks that were lost, repeated or put elsewhere."""
    if y.repeated_lines - x.repeated_lines > gate.max_repeated_lines and y.mode_share < BACKGROUND_SHARE:
        return [Fault("repeated_lines", f"repeated lines {y.repeated_lines:.0%}")]
    if y.blocks > max(gate.max_blocks, BLOCKS_RATIO * x.blocks):
        return [Fault("blocks", f"blocks {y.blocks:.1f}")]
    if y.seams > gate.max_seams + SEAMS_RATIO * x.seams:
        return [Fault("seams", f"seams {y.seams:.0%}")]
    if abs(_log_jump_ratio(y) - _log_jump_ratio(x)) > gate.max_streaks:
        return [Fault("streaks", f"streaks {exp(abs(_log_jump_ratio(y) - _log_jump_ratio(x))):.1f}")]
    return []


def _log_jump_ratio(picture: PixelStatistics) -> float:
    """How much more neighbours differ down the columns than along the rows."""
    return log((picture.row_jump + JUMP_FLOOR) / (picture.column_jump + JUMP_FLOOR))


def _covered(x: PixelStatistics) -> bool:
    """Whether X shows something before something else."""
    return x.coverage > LEAST_INPUT_COVERAGE and _range(x) > COVERING_RANGE


def _blurred(x: PixelStatistics, y: PixelStatistics, pair: PairStatistics, gate: QualityGate) -> bool:
    """Detail is lost at both scales, of a pixel and of a thumbnail's: softness and less grain alone are no fault."""
    fine = (y.sharpness + LEAST_SHARPNESS) / (x.sharpness + LEAST_SHARPNESS)
    coarse = pair.least_detail_ratio / min(1, y.sigma / max(x.sigma, 1))  # less contrast is not less sharp
    return coarse < COARSE_RATIO and fine * coarse**2 < gate.min_sharpness


def _copied(x: PixelStatistics, pair: PairStatistics, gate: QualityGate) -> bool:
    """Alike in thumbnail and hash, or so alike that the hash of a copy saved with losses need not agree."""
    difference = pair.thumbnail_difference
    alike = difference < min(COPY_DIFFERENCE, COPY_SIGMAS * x.sigma)
    return alike and (pair.dhash_bits <= gate.max_copy_bits or difference < SAVED_AGAIN * COPY_SIGMAS * x.sigma)


def _levels(x: PixelStatistics, y: PixelStatistics, gate: QualityGate) -> list[Fault]:
    if x.entropy_bits - y.entropy_bits > gate.max_entropy_loss_bits:
        return [Fault("few_levels", f"few levels {y.entropy_bits:.1f} bit")]
    return []


def _colours(pair: PairStatistics, gate: QualityGate) -> list[Fault]:
    if pair.flattest_channel_y < FLAT_CHANNEL and pair.flattest_channel_x > LIVE_CHANNEL:
        return [Fault("colours", "channel lost")]
    if pair.colour_x > TELLING_COLOUR and (lost := _colours_lost(pair)):
        return [Fault("colours", lost)]
    if pair.colour_shift > gate.max_colour_shift:
        return [Fault("colours", f"colour cast {pair.colour_shift:.1f}")]
    if pair.foreign_colours > gate.max_foreign_colours:
        return [Fault("foreign_colours", f"other colours {pair.foreign_colours:.0%}")]
    return []


def _colours_lost(pair: PairStatistics) -> str:
    """What became of the colours that X has; empty where they are still there."""
    if pair.colour_y < GREY_SHARE * pair.colour_x:
        return "grey"
    exchanged = EXCHANGED_RATIO * (pair.colour_difference_exchanged + EXCHANGED_FLOOR)
    if pair.colour_difference > EXCHANGED_DIFFERENCE and pair.colour_difference + EXCHANGED_FLOOR > exchanged:
        return "channels swapped"
    if pair.tints_x > TELLING_TINTS and pair.tints_y < TINTS_SHARE * pair.tints_x:
        return "one tint"
    return ""


def _orientation(x: PixelStatistics, y: PixelStatistics, pair: PairStatistics, gate: QualityGate) -> list[Fault]:
    """Negative, upside down, mirrored or turned by 90°; only where X has a layout to compare."""
    if pair.layout_sigma < TELLING_LAYOUT * x.sigma:
        return []
    nearer_inverted = abs(255 - y.mean - x.mean) < abs(y.mean - x.mean) + INVERTED_MARGIN
    if pair.likeness < gate.min_likeness and nearer_inverted and pair.likeness_turned < -pair.likeness:
        return [Fault("inverted", "negative")]
    if pair.likeness_turned > max(TURNED_LIKENESS, pair.likeness_moved + gate.min_turned_margin):
        return [Fault("upside_down", "upside down")]
    if pair.likeness_mirrored > max(TURNED_LIKENESS, pair.likeness_moved + gate.min_turned_margin):
        return [Fault("mirrored", "mirrored")]
    if pair.likeness_quarter > max(TURNED_LIKENESS, pair.likeness_moved + gate.min_quarter_margin):
        return [Fault("quarter", "turned by 90°")]
    return []


def _range(picture: PixelStatistics) -> int:
    return picture.p95 - picture.p5
