"""One picture held against another: the faults of a target Y that was made from an input X.

Also for predictions, against their inputs or their references.
"""

from __future__ import annotations

from dataclasses import dataclass

from gonogo.config import QualityGate
from gonogo.quality.measurements import PairStatistics, PixelStatistics

# Companions of QualityGate's thresholds, tuned together with them on 1,200 photographs with 12 corruptions.
# A picture is held against its input because night scenes, snow, line drawings and silhouettes are no faults.
DARK_RATIO = 0.6  # dark in absolute terms counts below this brightness ratio …
BLACK_P99 = 20  # … or where hardly a pixel is brighter than this
BLACK_BORDER_SHARE, BLACK_BORDER_LEVEL = 0.9, 8  # an object before a uniform black background is not dark
BRIGHT_MEAN = 150
OVEREXPOSED_EXCESS = 0.25  # of white share over X's
RANGE_RATIO = 0.5
AUTOCORRELATION_DROP, AUTOCORRELATION_8_DROP = 0.2, 0.3  # below X's
NOISE_RATIO, NOISE_OFFSET = 3, 6  # σ̂ of Y over 3 σ̂(X) + 6
SHARPNESS_RATIO = 0.12
LEAST_INPUT_COVERAGE = 0.02  # an input with less than this off its border cannot be compared
COPY_DIFFERENCE = 4  # of 32×32 thumbnails, 0-255


@dataclass(frozen=True)
class Fault:
    """One check that fired.

    Attributes:
        id: for machines: `dark`.
        reason: a few words to stand under a picture, in Latin letters: `dark 0.02`.
    """

    id: str
    reason: str


def picture_faults(y: PixelStatistics, gate: QualityGate) -> list[Fault]:
    """What is wrong with a picture whatever it was made from."""
    if y.sigma < gate.min_sigma or y.mode_share > gate.max_mode_share:
        return [Fault("constant", "one colour")]
    return []


def pair_faults(x: PixelStatistics, y: PixelStatistics, pair: PairStatistics, gate: QualityGate) -> list[Fault]:
    """What is wrong with Y, made from X.

    What only follows from a fault is not told beside it: a dark picture is flat, a flat one seems empty.
    """
    faults = picture_faults(y, gate)
    if _dark(x, y, gate):
        return [Fault("dark", f"dark {y.mean / 255:.2f}"), *faults]
    if brightness_ratio(x, y) > gate.max_brightness_ratio and y.mean > BRIGHT_MEAN:
        faults.append(Fault("too_bright", f"bright {y.mean / 255:.2f}"))
    if y.white_share > max(gate.max_white_share, x.white_share + OVEREXPOSED_EXCESS):
        faults.append(Fault("overexposed", f"white {y.white_share:.0%}"))
    if faults and faults[0].id == "constant":
        return faults
    flat = _range(y) < min(gate.min_range, RANGE_RATIO * _range(x))
    if flat:
        faults.append(Fault("washed_out", f"flat {_range(y) / 255:.2f}"))
    faults += _noise(x, y, gate)
    if y.sharpness < min(gate.min_sharpness, SHARPNESS_RATIO * x.sharpness):
        faults.append(Fault("blurred", f"blurred {y.sharpness:.3f}"))
    if not flat and x.coverage > LEAST_INPUT_COVERAGE and y.coverage < gate.min_coverage_ratio * x.coverage:
        faults.append(Fault("coverage", f"empty {1 - y.coverage:.0%}"))
    if pair.dhash_bits <= gate.max_copy_bits and pair.thumbnail_difference < COPY_DIFFERENCE:
        faults.append(Fault("copy", "copy of input"))
    return faults


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


def _noise(x: PixelStatistics, y: PixelStatistics, gate: QualityGate) -> list[Fault]:
    near, far = y.autocorrelation_1, y.autocorrelation_8
    if near < min(gate.min_autocorrelation, x.autocorrelation_1 - AUTOCORRELATION_DROP):
        return [Fault("noise", f"noise {near:.2f}")]
    faults = []
    if far < min(gate.min_autocorrelation_8, x.autocorrelation_8 - AUTOCORRELATION_8_DROP):
        faults.append(Fault("blotchy", f"blotchy {far:.2f}"))
    if y.noise_sigma > max(gate.max_noise_sigma, NOISE_RATIO * x.noise_sigma + NOISE_OFFSET):
        faults.append(Fault("noisy", f"noisy {y.noise_sigma:.0f}"))
    return faults


def _range(picture: PixelStatistics) -> int:
    return picture.p95 - picture.p5
