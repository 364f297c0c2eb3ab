"""Whether a picture shows anything at all: black, white, of one colour, washed out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gonogo.config.quality_thresholds import ImagesGate
from gonogo.quality.items import Fault

if TYPE_CHECKING:
    from gonogo.quality.pictures.items import ImageItem
    from gonogo.quality.pictures.measurements import PixelStatistics

DRAWN_SHARE = 0.9  # of one luma bin: a drawing, whose percentiles say nothing of its range
LINES_SIGMA = 10  # luma: thin lines of ink on nearly white paper have 15 or more, dust and a blank scan less
LIGHTS_P99, LIGHTS_SIGMA, LIGHTS_AUTOCORRELATION = 40, 7, 0.5
MOST_SPREAD = 0.5  # σ / range of any values: what is beyond it comes from those outside the range (Popoviciu 1935)
SPARSE_LEVELS, SPARSE_RATIO = 8, 3  # p50 - p1 at most, p99 / p50 at least: cells or stars before nothing


def light_faults(picture: ImageItem, y: PixelStatistics, gate: ImagesGate) -> list[Fault]:
    black = "black without its opacity" if picture.alpha else "black"
    checks = [
        ("dark", black if y.p99 <= 1 else f"dark {y.p99 / 255:.2f}", y.p99 < gate.dark_p99 and not has_lights(y)),
        ("white", f"white {y.white_share:.1%}", y.white_share > gate.max_white_share and not _is_line_art(y)),
        ("constant", "one colour", y.sigma < gate.min_sigma or y.mode_share > gate.max_mode_share),
        (
            "washed_out",
            f"flat {(y.p99 - y.p1) / 255:.2f}",
            y.p99 - y.p1 < gate.min_range and y.mode_share < DRAWN_SHARE and not has_lights(y),
        ),
    ]
    return [Fault(id_, reason) for id_, reason, fires in checks if fires]


def _is_line_art(y: PixelStatistics) -> bool:
    """Thin lines on paper, which are too few to reach a percentile."""
    return y.mode_share > DRAWN_SHARE and y.sigma > LINES_SIGMA


def has_lights(y: PixelStatistics) -> bool:
    """Lamps or stars in the dark, of too few pixels to reach a percentile; single bright pixels are none."""
    return y.p99 < LIGHTS_P99 and _has_few_bright(y)


def _has_few_bright(y: PixelStatistics) -> bool:
    spread = y.sigma > max(LIGHTS_SIGMA, MOST_SPREAD * (y.p99 - y.p1))
    return spread and y.autocorrelation_1 > LIGHTS_AUTOCORRELATION


def levels_in_use(y: PixelStatistics) -> int:
    """Levels in use: p99 - p1; of line art, how far the lines are from the paper, by their share and σ; of lights in
    the dark, how bright they are at least, being a hundredth of the picture.
    """
    if has_lights(y):
        return min(round(10 * y.sigma), 255)
    lines = y.sigma / math.sqrt(y.mode_share * (1 - y.mode_share)) if _is_line_art(y) else 0
    return max(y.p99 - y.p1, min(round(lines), 255))


def is_sparse(y: PixelStatistics) -> bool:
    """A few bright things before nothing."""
    return (y.p50 - y.p1 <= SPARSE_LEVELS and y.p99 >= SPARSE_RATIO * y.p50) or _has_few_bright(y)
