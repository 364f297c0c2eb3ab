"""Everything that checks ask of pictures' pixels: one pass over each, then all of them at once."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from gonogo.quality.pictures.hashes import difference_hashes
from gonogo.quality.pictures.lines import lines
from gonogo.quality.pictures.measurements import PixelStatistics
from gonogo.quality.pictures.sample import Sample, take_sample

NEARLY_NONE = np.float32(1e-12)  # beside counts: the logarithm of an empty bin
COVERED_LEVELS, BORDER_LEVELS = 12, 8  # distance from the border's median colour, 0-255
QUANTILES = (0.01, 0.05, 0.50, 0.95, 0.99)
LEVELS = np.arange(256)
DARKEST, BRIGHTEST = 8, 246  # luma that counts as black, as white
MOMENTS = np.stack([LEVELS, LEVELS**2, LEVELS <= DARKEST, LEVELS >= BRIGHTEST], axis=1).astype(np.float64)
SPECK_RESPONSE = 128  # of Immerkær's kernel, levels: a pixel that is 32 off all its neighbours
MEDIAN_TO_SIGMA = 1 / (0.6745 * 6)  # |response| of Immerkær's kernel to white noise: σ = median / 0.6745 / 6


def pixel_statistics(bgr: np.ndarray) -> PixelStatistics:
    """All scalars of a (H, W, 3) uint8 BGR picture of at least 16×16 pixels."""
    return measured_pixels([take_sample(bgr)])[0]


def measured_pixels(samples: Sequence[Sample]) -> list[PixelStatistics]:
    """All scalars of each picture; the same, to the bit, in whatever company it is measured.

    Sources: luma is Rec. 601; noise: Immerkær, Fast Noise Variance Estimation, CVIU 64 (1996), with a median
    for the mean, so that edges do not count; difference hash: Krawetz, Kind of Like That (2013).
    """
    if not samples:
        return []
    variance, of_levels = _levels(np.stack([sample.levels for sample in samples]))
    columns = {
        **of_levels,
        "autocorrelation_1": _autocorrelation([sample.steps_1 for sample in samples], variance),
        "autocorrelation_8": _autocorrelation([sample.steps_8 for sample in samples], variance),
        **_structure(samples, variance),
        **lines([sample.row_jumps for sample in samples], [sample.column_jumps for sample in samples])._asdict(),
        "row_jump": np.array([cv2.mean(sample.row_jumps)[0] for sample in samples]),
        "column_jump": np.array([cv2.mean(sample.column_jumps)[0] for sample in samples]),
        **_against_border(samples),
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    hashes = difference_hashes(np.stack([sample.thumbnail for sample in samples]))
    return [
        PixelStatistics(dhash=dhash, **dict(zip(columns, row, strict=True)))
        for dhash, row in zip(hashes, rows, strict=True)
    ]


def _levels(levels: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Variances (N,), and what else histograms of luma (N, 256) tell."""
    counts = levels.sum(axis=1, dtype=np.float64)
    mean, squares, black, white = (levels @ MOMENTS).T / counts  # of whole numbers, so exact in any order
    variance = np.maximum(squares - mean * mean, 0)
    cumulative = levels.cumsum(axis=1, dtype=np.float64)
    percentiles = {f"p{100 * share:.0f}": _quantile(cumulative, share * counts) for share in QUANTILES}
    logarithms = (levels * np.log2(levels + NEARLY_NONE)).sum(axis=1, dtype=np.float64)
    return variance, {
        "mean": mean,
        "sigma": np.sqrt(variance),
        **percentiles,
        "black_share": black,
        "white_share": white,
        "mode_share": levels.max(axis=1) / counts,
        "entropy_bits": np.maximum(np.log2(counts) - logarithms / counts, 0),
    }


def _quantile(cumulative: np.ndarray, reached: np.ndarray) -> np.ndarray:
    """The first of 256 bins by which so many are counted (N,)."""
    return np.count_nonzero(cumulative < reached[:, None], axis=1)


def _autocorrelation(steps: Sequence[tuple[float, float]], variance: np.ndarray) -> np.ndarray:
    """1 - E[Δ²] / 2σ², the mean over columns and rows; 1 for a picture that hardly varies."""
    across, down = np.array(steps).T
    return np.where(variance <= 1, 1, 1 - (across + down) / (4 * np.maximum(variance, 1)))


def _structure(samples: Sequence[Sample], variance: np.ndarray) -> dict[str, np.ndarray]:
    mean, squares = np.array([sample.laplacian for sample in samples]).T
    laplacian = squares - mean * mean
    cumulative = np.stack([sample.responses for sample in samples]).cumsum(axis=1, dtype=np.float64)
    counts = cumulative[:, -1]
    return {
        "laplacian_variance": laplacian,
        "sharpness": laplacian / np.maximum(variance, 1),
        "noise_sigma": _quantile(cumulative, counts / 2) * MEDIAN_TO_SIGMA,
        "specks": 1 - cumulative[:, SPECK_RESPONSE - 1] / counts,
    }


def _against_border(samples: Sequence[Sample]) -> dict[str, np.ndarray]:
    """Share of the picture off the border's median colour; of the border near it; its brightest channel."""
    borders = np.stack([sample.border for sample in samples]).astype(np.int16)
    middle = borders.shape[1] // 2
    by_channel = np.ascontiguousarray(borders.transpose(0, 2, 1))
    colours = np.partition(by_channel, middle, axis=2)[:, :, middle]
    apart = np.abs(borders - colours[:, None]).max(axis=2)
    near = [_near(sample.points, colour) for sample, colour in zip(samples, colours.tolist(), strict=True)]
    return {
        "coverage": 1 - np.array(near),
        "border_share": np.count_nonzero(apart <= BORDER_LEVELS, axis=1) / borders.shape[1],
        "border_level": colours.max(axis=1).astype(float),
    }


def _near(points: np.ndarray, colour: Sequence[int]) -> float:
    """Share of points within COVERED_LEVELS of a colour, in every channel."""
    least, most = ([level + apart for level in colour] + [0] for apart in (-COVERED_LEVELS, COVERED_LEVELS))
    return cv2.countNonZero(cv2.inRange(points, tuple(least), tuple(most))) / (points.shape[0] * points.shape[1])
