"""Marks that a broken step leaves in every picture it touches: parts lost, lines, channels, levels, detail.

One picture may bear such a mark by nature; that many of a set bear the same is no accident. What takes long is measured
only where something cheap says that it may matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from gonogo.quality.pictures.edges import cut, has_plain_side
from gonogo.quality.pictures.hashes import grey_thumbnails
from gonogo.quality.pictures.measurements import Marks, PixelStatistics
from gonogo.quality.pictures.sample import Sample

SATURATED, COLOURED = 252, (21, 224)  # a clipped colour: one channel at its end, another between these
WHITE_SHARE = 0.15  # from which on clipped colours are looked for
WINDOW, WINDOWS = 9, 4  # levels; a picture in few levels lies in so many windows
BEFORE = np.zeros(WINDOW // 2 + 1, np.int64)
FEW = 0.6  # of the levels in those windows; pictures with less are not described by them
UNEVEN = 1.25  # of the greatest gap to the least, of levels at equal distances
LEAST_WINDOW = 0.01  # share of pixels; windows with fewer do not count for the gap
FEW_BITS = 6.8  # of luma; a picture with more is not in few levels
LIKE, FEW_APART = 0.9, 0.1  # of channels whose likeness is greater, and that vary apart: no fine likeness is needed
LEAST_FLAT = 0.14  # of pixels without change; a picture in few levels has more
UNLIKE = 0.6  # fine likeness below which colours are counted
PLANES_UNLIKE, PLANES_APART = 0.75, 16  # fine likeness and levels within which thirds are compared
SMOOTH = 0.03  # step ratio below which the sharpest places are looked for
NOISY = 8  # Immerkær's σ̂ from which on it is asked what lies below the noise
REPEATED = 0.2  # share of repeated lines from which those of a single colour are excluded
AT_ONCE = 8  # pictures: what is made of them stays below 128 KiB, and is not mapped and zeroed each time
COLOUR_BITS = 5  # of each channel, for counting colours
LEAST_CHANGE = 1e-3  # beside variances in levels squared
DIGITS = 4  # decimals that are kept
CHANNELS = ("blue", "green", "red")
PAIRS = ((0, 1), (0, 2), (1, 2))


def measured_marks(samples: Sequence[Sample], pixels: Sequence[PixelStatistics]) -> list[Marks]:
    """Of each picture; the same in whatever company it is measured."""
    if not samples:
        return []
    columns = {
        **_steps(samples),
        **_channels(samples),
    }
    rows = np.array(list(columns.values())).round(DIGITS).T.tolist()
    plain = has_plain_side(np.array([sample.border for sample in samples])).tolist()
    found = []
    for sample, pixel, row, side in zip(samples, pixels, rows, plain, strict=True):
        marks = dict(zip(columns, row, strict=True))
        marks.update(_closer(sample, pixel, marks, side))
        found.append(Marks(**marks))
    return found


def _steps(samples: Sequence[Sample]) -> dict[str, np.ndarray]:
    steps = np.array([(*sample.steps_1, *sample.steps_2, *sample.steps_8) for sample in samples])
    one, two, eight = np.maximum(steps.reshape(-1, 3, 2), LEAST_CHANGE).transpose(1, 0, 2)
    responses = np.array([sample.responses for sample in samples])
    return {
        "alternation": (two / one).min(axis=1),
        "step_ratio": (one / eight).max(axis=1),
        "steps_across": one[:, 0],
        "steps_down": one[:, 1],
        "alternation_down": two[:, 1] / one[:, 1],
        "flat_share": responses[:, 0] / responses.sum(axis=1),
    }


def _channels(samples: Sequence[Sample]) -> dict[str, np.ndarray]:
    points = np.array([sample.thumbnail for sample in samples])[:, ::2, ::2]
    count = points.shape[1] * points.shape[2]
    planes = (
        points.transpose(0, 3, 1, 2).astype(np.float32, order="C").reshape(-1, 3, count)
    )  # sums of squares are exact
    mean = planes.sum(axis=2, dtype=np.float64) / count
    products = _products(planes).astype(np.float64) / count - mean[:, :, None] * mean[:, None]
    variance = np.diagonal(products, axis1=1, axis2=2)
    sigma = np.sqrt(variance.clip(0))
    apart = np.sqrt(np.stack([variance[:, a] + variance[:, b] - 2 * products[:, a, b] for a, b in PAIRS]).clip(0))
    likeness = np.stack([products[:, a, b] / np.maximum(sigma[:, a] * sigma[:, b], 1) for a, b in PAIRS])
    nearest = np.arange(len(PAIRS))[:, None] == apart.argmin(axis=0)
    least_apart, most_apart, alike = apart.min(axis=0), apart.max(axis=0), likeness.max(axis=0)
    fine = np.ones_like(apart)
    (unlike,) = np.nonzero(
        (alike < LIKE)
        | ((most_apart < PLANES_APART) & (most_apart > 0))
        | (least_apart < FEW_APART * most_apart)
        | (sigma.min(axis=1) < FEW_APART * sigma.max(axis=1))
    )
    if len(unlike):
        fine[:, unlike] = _fine_likeness([samples[at].rows for at in unlike.tolist()]).T
    return {
        **{f"mean_{name}": mean[:, at] for at, name in enumerate(CHANNELS)},
        **{f"sigma_{name}": sigma[:, at] for at, name in enumerate(CHANNELS)},
        "least_apart": least_apart,
        "most_apart": most_apart,
        "likeness": alike,
        "third_likeness": np.where(nearest, -1, np.abs(likeness)).max(axis=0),
        "fine_likeness": fine.max(axis=0),
        "third_fine_likeness": np.where(nearest, -1, fine).max(axis=0),
    }


def _fine_likeness(rows: Sequence[np.ndarray]) -> np.ndarray:
    """(N, 3) of each picture's rows (n, w, 3): correlations of the second differences along them, for `PAIRS`.

    1 where only one channel has any.
    """
    products = np.empty((len(rows), 3, 3), np.float32)
    by_shape: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for at, part in enumerate(rows):
        by_shape[part.shape].append(at)
    for places in by_shape.values():
        for start in range(0, len(places), AT_ONCE):
            alike = places[start : start + AT_ONCE]
            values = np.concatenate([rows[at] for at in alike]).astype(np.float32)
            second = values[:, 2:] + values[:, :-2]
            second -= 2 * values[:, 1:-1]
            planes = np.ascontiguousarray(second.reshape(len(alike), -1, 3).transpose(0, 2, 1))
            products[alike] = _products(planes)
    scale = np.sqrt(np.diagonal(products, axis1=1, axis2=2))
    likeness = products / np.maximum(scale[:, :, None] * scale[:, None], 1)
    of_pairs = np.stack([likeness[:, a, b] for a, b in PAIRS], axis=1)
    return np.where(np.count_nonzero(scale > 1, axis=1, keepdims=True) < 2, 1, of_pairs)


def _products(planes: np.ndarray) -> np.ndarray:
    """(N, 3, 3) sums of products of channels with channels, of planes (N, 3, k)."""
    products = np.empty((len(planes), 3, 3), planes.dtype)
    for a in range(3):
        for b in range(a, 3):
            products[:, a, b] = products[:, b, a] = np.einsum("nk,nk->n", planes[:, a], planes[:, b])
    return products


def _closer(sample: Sample, pixel: PixelStatistics, marks: dict[str, Any], plain_side: bool) -> dict[str, Any]:
    """What only some pictures need to be asked."""
    found: dict[str, Any] = {}
    if plain_side:
        found["cut_side"], found["cut_share"] = cut(grey_thumbnails(sample.thumbnail[None])[0])
    if pixel.white_share > WHITE_SHARE:
        found |= _clipped(sample.points)
    if pixel.entropy_bits < FEW_BITS and marks["flat_share"] > LEAST_FLAT:
        found |= _levels(sample.rows)
    if marks["fine_likeness"] < UNLIKE:
        found["unit_error"] = _unit_error(sample.rows)
    if marks["fine_likeness"] < UNLIKE or marks["step_ratio"] < SMOOTH or pixel.white_share > WHITE_SHARE:
        found["colours"] = _colours(sample.rows)
    if marks["fine_likeness"] < PLANES_UNLIKE and marks["most_apart"] < PLANES_APART:
        found["thirds"] = _thirds(sample.points)
    if marks["step_ratio"] < SMOOTH:
        found["sharpest"] = _sharpest(sample.points)
    if pixel.noise_sigma > NOISY:
        found["structure"] = _structure(sample.thumbnail)
    if pixel.repeated_lines > REPEATED:
        repeated = [np.count_nonzero(jumps == 0) / len(jumps) for jumps in (sample.row_jumps, sample.column_jumps)]
        luma = cv2.cvtColor(sample.points, cv2.COLOR_BGR2GRAY)
        for axis, name, share in zip((1, 0), ("repeated_rows", "repeated_columns"), repeated, strict=True):
            plain = (luma.max(axis=axis) - luma.min(axis=axis) <= 1).mean()
            found[name] = round(max(share - float(plain), 0), DIGITS)
    return found


def _clipped(points: np.ndarray) -> dict[str, float]:
    blue, green, red = cv2.split(points)  # a tenth of the time that a reduction over three takes
    brightest, darkest = cv2.max(cv2.max(blue, green), red), cv2.min(cv2.min(blue, green), red)
    clipped = darkest[(brightest >= SATURATED) & (darkest >= COLOURED[0]) & (darkest <= COLOURED[1])]
    return {
        "clipped_share": round(clipped.size / darkest.size, DIGITS),
        "clipped_spread": round(float(clipped.std()), 2) if clipped.size else 0.0,
    }


def _levels(rows: np.ndarray) -> dict[str, float]:
    """Shares of the fullest, the second fullest and all `WINDOWS` windows of green's levels, where they are many."""
    half = WINDOW // 2
    bins = np.bincount(rows[..., 1].ravel(), minlength=256)
    count = int(bins.sum())
    used: list[int] = []
    places: list[int] = []
    for left in reversed(range(WINDOWS)):
        cumulative = np.concatenate([BEFORE, bins, BEFORE[1:]]).cumsum()
        sums = cumulative[WINDOW:] - cumulative[:-WINDOW]
        at = int(sums.argmax())
        used.append(int(sums[at]))
        if sum(used) + left * used[-1] < FEW * count:
            return {}
        if used[-1] > LEAST_WINDOW * count and all(abs(at - other) > 2 * WINDOW for other in places):
            places.append(at)
        bins[max(at - half, 0) : at + half + 1] = 0
    return {
        "fullest_level": round(used[0] / count, DIGITS),
        "second_level": round(used[1] / count, DIGITS),
        "few_levels": round(sum(used) / count, DIGITS),
        "level_gap": _regular_gap(sorted(places)),
    }


def _regular_gap(places: Sequence[int]) -> int:
    """The distance of neighbouring windows, where they are three or more at equal distances; else 0."""
    gaps = np.diff(places)
    return int(gaps.min()) if len(gaps) > 1 and gaps.max() <= UNEVEN * gaps.min() else 0


def _colours(points: np.ndarray) -> int:
    """How many there are, in `COLOUR_BITS` a channel."""
    few = (points >> (8 - COLOUR_BITS)).astype(np.intp)
    colours = few[..., 0] << 2 * COLOUR_BITS | few[..., 1] << COLOUR_BITS | few[..., 2]
    return int(np.count_nonzero(np.bincount(colours.ravel())))


def _unit_error(rows: np.ndarray) -> float:
    """How far colours, as vectors in [-1, 1], are from the length 1 that normals have; the median."""
    x, y, z = (rows.reshape(-1, 3) / np.float32(127.5) - 1).T
    error = np.abs(np.sqrt(x * x + y * y + z * z) - 1)
    middle = [(error.size - 1) // 2, error.size // 2]
    return round(float(np.partition(error, middle)[middle].mean()), DIGITS)


def _thirds(points: np.ndarray) -> float:
    """The lesser correlation of the middle third with the left and with the right one; 0 where nothing varies."""
    luma = cv2.cvtColor(points, cv2.COLOR_BGR2GRAY).astype(np.float32)
    third = luma.shape[1] // 3
    left, middle, right = (luma[:, at * third : (at + 1) * third] for at in range(3))
    if min(part.std() for part in (left, middle, right)) < 1:
        return 0.0
    return round(min(float(np.corrcoef(middle.ravel(), part.ravel())[0, 1]) for part in (left, right)), DIGITS)


def _sharpest(points: np.ndarray) -> float:
    """Mean over rows of the greatest |Laplacian|, of the standard deviation."""
    luma = cv2.cvtColor(points, cv2.COLOR_BGR2GRAY)
    edges = np.abs(cv2.Laplacian(luma, cv2.CV_16S)[1:-1, 1:-1]).max(axis=1)
    return round(float(edges.mean()) / max(float(luma.std()), 1.0), DIGITS)


def _structure(thumbnail: np.ndarray) -> float:
    """Lag-1 autocorrelation of luma, rows and columns; 0 where nothing varies."""
    luma = grey_thumbnails(thumbnail[None])[0].astype(np.float32)
    luma -= luma.mean()
    variance = float(np.square(luma).mean())
    if variance < 1:
        return 0.0
    along = [float((luma[:, 1:] * luma[:, :-1]).mean()), float((luma[1:] * luma[:-1]).mean())]
    return round(sum(along) / 2 / variance, DIGITS)
