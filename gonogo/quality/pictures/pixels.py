"""Everything that checks ask of one picture's pixels."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import cv2
import numpy as np

from gonogo.quality.pictures.lines import lines
from gonogo.quality.pictures.measurements import PixelStatistics

FEW_ROWS = 128  # below, every row is measured
ROW_STEP = 5  # above, one row in five is measured for the levels, three in five for the structure
POINTS, THUMBNAIL = (64, 64), (32, 32)
MANY_PIXELS = 384  # a shorter side from which a picture is halved before points are taken
NEARLY_NONE = 1e-12  # beside counts: the logarithm of an empty bin
BORDER_POINTS = 32  # on each side
COVERED_LEVELS, BORDER_LEVELS = 12, 8  # distance from the border's median colour, 0-255
QUANTILES = np.array([0.01, 0.05, 0.50, 0.95, 0.99], np.float32)
LEVELS = np.arange(256, dtype=np.float32)
DARKEST, BRIGHTEST = 8, 246  # luma that counts as black, as white
MOMENTS = np.stack([LEVELS, LEVELS**2, LEVELS <= DARKEST, LEVELS >= BRIGHTEST]).astype(np.float64)
SPECK_RESPONSE = 128  # of Immerkær's kernel, levels: a pixel that is 32 off all its neighbours
MEDIAN_TO_SIGMA = 1 / (0.6745 * 6)  # |response| of Immerkær's kernel to white noise: σ = median / 0.6745 / 6


def pixel_statistics(bgr: np.ndarray) -> PixelStatistics:
    """All scalars of a (H, W, 3) uint8 BGR picture of at least 16×16 pixels.

    Sources: luma is Rec. 601; noise: Immerkær, Fast Noise Variance Estimation, CVIU 64 (1996), with a median
    for the mean, so that edges do not count; difference hash: Krawetz, Kind of Like That (2013).
    """
    return measured_pixels(bgr)[0]


def measured_pixels(bgr: np.ndarray) -> tuple[PixelStatistics, np.ndarray]:
    """`pixel_statistics`, and the thumbnail (32, 32, 3) uint8 BGR."""
    points, thumbnail = _reduced(bgr)
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    rows = _rows(grey)
    histogram = _histogram(rows.level)
    count = rows.level.size
    total, squares, black, white = (MOMENTS @ histogram).tolist()
    mean = total / count
    variance = max(squares / count - mean * mean, 0.0)
    p1, p5, p50, p95, p99 = histogram.cumsum().searchsorted(QUANTILES * count).tolist()
    laplacian, noise_sigma, specks = _structure(rows)
    coverage, border_share, border_level = _against_border(bgr, points)
    pixels = PixelStatistics(
        mean=mean, sigma=math.sqrt(variance), p1=p1, p5=p5, p50=p50, p95=p95, p99=p99,
        black_share=black / count,
        white_share=white / count,
        mode_share=float(histogram.max()) / count,
        autocorrelation_1=_autocorrelation(rows.level, 1, (rows.above, rows.middle), variance),
        autocorrelation_8=_autocorrelation(rows.level, 8, rows.eighth, variance),
        laplacian_variance=laplacian,
        sharpness=laplacian / max(variance, 1.0),
        noise_sigma=noise_sigma, specks=specks, **lines(grey)._asdict(),
        coverage=coverage, border_share=border_share, border_level=border_level,
        entropy_bits=max(0.0, math.log2(count) - float(histogram @ np.log2(histogram + NEARLY_NONE)) / count),
        dhash=_difference_hash(thumbnail),
    )  # fmt: skip
    return pixels, thumbnail


class _Rows(NamedTuple):
    """Luma (n, W) uint8: rows for the levels, and three side by side for the structure."""

    level: np.ndarray
    eighth: tuple[np.ndarray, np.ndarray]  # rows, and those 8 below
    above: np.ndarray
    middle: np.ndarray
    below: np.ndarray


def _rows(grey: np.ndarray) -> _Rows:
    if len(grey) < FEW_ROWS:
        return _Rows(grey, (grey[:-8], grey[8:]), grey[:-2], grey[1:-1], grey[2:])
    first = ROW_STEP // 2
    eighth = grey[first:-8:ROW_STEP], grey[first + 8 :: ROW_STEP]
    return _Rows(grey[first::ROW_STEP], eighth, *grey[_side_by_side(len(grey))])


@functools.lru_cache(maxsize=256)
def _side_by_side(height: int) -> np.ndarray:
    """(3, n) rows: three neighbours somewhere in every five.

    Where in the five is left to chance, the same for all pictures of a height: at equal distances they would fall in
    step with the blocks of JPEG, or with the pattern that enlarging leaves.
    """
    start = np.arange((height - 3) // ROW_STEP + 1) * ROW_STEP
    above = start + np.random.default_rng(0).integers(0, np.minimum(ROW_STEP - 2, height - 2 - start))
    return np.stack([above, above + 1, above + 2])


def _reduced(bgr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The picture at 64×64 points or, where it is smaller, as it is; and its 32×32 thumbnail."""
    height, width = bgr.shape[:2]
    while min(height, width) >= MANY_PIXELS:
        height, width = height // 2, width // 2
        bgr = cv2.resize(bgr[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    if min(height, width) > POINTS[0]:
        bgr = cv2.resize(bgr, POINTS, interpolation=cv2.INTER_LINEAR)
    return bgr, cv2.resize(bgr, THUMBNAIL, interpolation=cv2.INTER_AREA)


def _histogram(grey: np.ndarray) -> np.ndarray:
    """(256,) float32."""
    return cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel()


def _autocorrelation(rows: np.ndarray, lag: int, pairs: tuple[np.ndarray, np.ndarray], variance: float) -> float:
    """1 - E[Δ²] / 2σ², the mean over columns and rows; 1 for a picture that hardly varies.

    Args:
        pairs: rows, and those `lag` below them.
    """
    if variance <= 1:
        return 1.0
    left, upper = rows[:, :-lag], pairs[0]
    across = cv2.norm(left, rows[:, lag:], cv2.NORM_L2SQR) / left.size
    down = cv2.norm(upper, pairs[1], cv2.NORM_L2SQR) / upper.size
    return 1 - (across + down) / (4 * variance)


def _structure(rows: _Rows) -> tuple[float, float, float]:
    """Variance of the Laplacian, σ̂ of the noise, and the share of pixels that stand out from their neighbours.

    Both kernels are made of second differences: the Laplacian is their sum along columns and rows, Immerkær's the one
    of the other. Taken along the flattened rows, which is fast; what runs over a row's end is cut off.
    """
    middle = rows.middle.astype(np.int16)
    down = rows.above.astype(np.int16)
    down += rows.below
    down -= middle
    down -= middle
    across = _second_difference(middle)
    across.ravel()[:-2] += down.ravel()[1:-1]
    laplacian = across[:, :-2]
    mean = cv2.sumElems(laplacian)[0] / laplacian.size
    variance = cv2.norm(laplacian, cv2.NORM_L2SQR) / laplacian.size - mean * mean
    response = cv2.convertScaleAbs(_second_difference(down)[:, :-2])
    cumulative = _histogram(response).cumsum()
    median = cumulative.searchsorted(response.size / 2)
    return variance, float(median) * MEDIAN_TO_SIGMA, 1 - float(cumulative[SPECK_RESPONSE - 1]) / response.size


def _second_difference(rows: np.ndarray) -> np.ndarray:
    """(n, W) int16: x - 2 x' + x'' of each value and the two that follow; nothing of use in the last two columns."""
    flat, found = rows.ravel(), np.empty(rows.size, np.int16)
    first = flat[1:] - flat[:-1]
    np.subtract(first[1:], first[:-1], out=found[:-2])
    return found.reshape(rows.shape)


def _against_border(bgr: np.ndarray, points: np.ndarray) -> tuple[float, float, float]:
    """Share of the picture off the border's median colour; of the border near it; its brightest channel."""
    across, down = (max(1, side // BORDER_POINTS) for side in (bgr.shape[1], bgr.shape[0]))
    border = np.concatenate([bgr[0, ::across], bgr[-1, ::across], bgr[::down, 0], bgr[::down, -1]])
    middle = len(border) // 2
    colour = np.partition(border, middle, axis=0)[middle].tolist()
    near = cv2.countNonZero(_within(points, colour, COVERED_LEVELS))
    border_near = cv2.countNonZero(_within(border[None], colour, BORDER_LEVELS))
    pixels = points.shape[0] * points.shape[1]
    return 1 - near / pixels, border_near / len(border), float(max(colour))


def _within(bgr: np.ndarray, colour: list[int], levels: int) -> np.ndarray:
    blue, green, red = colour
    return cv2.inRange(
        bgr, (blue - levels, green - levels, red - levels, 0), (blue + levels, green + levels, red + levels, 0)
    )


def _difference_hash(thumbnail: np.ndarray) -> str:
    small = cv2.resize(cv2.cvtColor(thumbnail, cv2.COLOR_BGR2GRAY), (9, 8), interpolation=cv2.INTER_AREA)
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes().hex()
