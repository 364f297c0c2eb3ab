"""Marks that a broken step leaves in every picture it touches: parts lost, lines, channels, levels, detail.

One picture may bear such a mark by nature; that many of a set bear the same is no accident. What takes long is measured
only where something cheap says that it may matter.
"""

from __future__ import annotations

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
UNEVEN = 1.25  # of the greatest gap to the least, of levels at equal distances
LEAST_WINDOW = 0.01  # share of pixels; windows with fewer do not count for the gap
FEW_BITS = 6.8  # of luma; a picture with more is not in few levels
UNLIKE = 0.6  # fine likeness below which colours are counted
PLANES_UNLIKE, PLANES_APART = 0.75, 16  # fine likeness and levels within which thirds are compared
SMOOTH = 0.03  # step ratio below which the sharpest places are looked for
REPEATED = 0.2  # share of repeated lines from which those of a single colour are excluded
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
        **_channels([sample.thumbnail for sample in samples], _fine_likeness([sample.rows for sample in samples])),
    }
    rows = np.stack(list(columns.values()), axis=1).round(DIGITS).tolist()
    plain = has_plain_side(np.stack([sample.border for sample in samples])).tolist()
    found = []
    for sample, pixel, row, side in zip(samples, pixels, rows, plain, strict=True):
        marks = dict(zip(columns, row, strict=True))
        found.append(Marks(**marks, **_closer(sample, pixel, marks, side)))
    return found


def _steps(samples: Sequence[Sample]) -> dict[str, np.ndarray]:
    one, two, eight = (
        np.maximum(np.array([getattr(sample, name) for sample in samples]), LEAST_CHANGE)
        for name in ("steps_1", "steps_2", "steps_8")
    )
    responses = np.array([(sample.responses[0], sample.responses.sum()) for sample in samples])
    return {
        "alternation": (two / one).min(axis=1),
        "step_ratio": (one / eight).max(axis=1),
        "steps_across": one[:, 0],
        "steps_down": one[:, 1],
        "alternation_down": two[:, 1] / one[:, 1],
        "flat_share": responses[:, 0] / responses[:, 1],
    }


def _fine_likeness(rows: Sequence[np.ndarray]) -> np.ndarray:
    """(N, 3) of each picture's rows (n, w, 3): correlations of the second differences along them, for `PAIRS`.

    1 where only one channel has any.
    """
    found = np.ones((len(rows), len(PAIRS)))
    shapes = np.array([part.shape[:2] for part in rows])
    for shape in np.unique(shapes, axis=0):
        (alike,) = np.nonzero((shapes == shape).all(axis=1))
        values = np.stack([rows[at] for at in alike.tolist()]).transpose(0, 3, 1, 2).astype(np.int16)
        second = values[..., 2:] - 2 * values[..., 1:-1] + values[..., :-2]
        flat = second.reshape(len(alike), 3, -1).astype(np.float32)
        products = flat @ flat.transpose(0, 2, 1)
        scale = np.sqrt(np.diagonal(products, axis1=1, axis2=2))
        likeness = products / np.maximum(scale[:, :, None] * scale[:, None], 1)
        of_pairs = np.stack([likeness[:, a, b] for a, b in PAIRS], axis=1)
        found[alike] = np.where(np.count_nonzero(scale > 1, axis=1, keepdims=True) < 2, 1, of_pairs)
    return found


def _channels(thumbnails: Sequence[np.ndarray], fine: np.ndarray) -> dict[str, np.ndarray]:
    points = np.stack([thumbnail[::2, ::2] for thumbnail in thumbnails]).reshape(len(thumbnails), -1, 3)
    values = points.astype(np.float32)  # whole numbers, of which sums of squares are exact
    count = values.shape[1]
    mean = (np.ones((1, count), np.float32) @ values)[:, 0].astype(np.float64) / count
    products = (values.transpose(0, 2, 1) @ values).astype(np.float64) / count - mean[:, :, None] * mean[:, None]
    variance = np.diagonal(products, axis1=1, axis2=2)
    sigma = np.sqrt(variance.clip(0))
    apart = np.sqrt(np.stack([variance[:, a] + variance[:, b] - 2 * products[:, a, b] for a, b in PAIRS]).clip(0))
    likeness = np.stack([products[:, a, b] / np.maximum(sigma[:, a] * sigma[:, b], 1) for a, b in PAIRS])
    nearest = np.arange(len(PAIRS))[:, None] == apart.argmin(axis=0)
    return {
        **{f"mean_{name}": mean[:, at] for at, name in enumerate(CHANNELS)},
        **{f"sigma_{name}": sigma[:, at] for at, name in enumerate(CHANNELS)},
        "least_apart": apart.min(axis=0),
        "most_apart": apart.max(axis=0),
        "likeness": likeness.max(axis=0),
        "third_likeness": np.where(nearest, -1, np.abs(likeness)).max(axis=0),
        "fine_likeness": fine.max(axis=1),
        "third_fine_likeness": np.where(nearest, -1, fine.T).max(axis=0),
    }


def _closer(sample: Sample, pixel: PixelStatistics, marks: dict[str, Any], plain_side: bool) -> dict[str, Any]:
    """What only some pictures need to be asked."""
    found: dict[str, Any] = {}
    if plain_side:
        found["cut_side"], found["cut_share"] = cut(grey_thumbnails(sample.thumbnail[None])[0])
    if pixel.white_share > WHITE_SHARE:
        found |= _clipped(sample.points)
    if pixel.entropy_bits < FEW_BITS:
        found |= _levels(sample.rows)
    if marks["fine_likeness"] < UNLIKE:
        found["unit_error"] = _unit_error(sample.rows)
    if marks["fine_likeness"] < UNLIKE or marks["step_ratio"] < SMOOTH or pixel.white_share > WHITE_SHARE:
        found["colours"] = _colours(sample.rows)
    if marks["fine_likeness"] < PLANES_UNLIKE and marks["most_apart"] < PLANES_APART:
        found["thirds"] = _thirds(sample.points)
    if marks["step_ratio"] < SMOOTH:
        found["sharpest"] = _sharpest(sample.points)
    if pixel.repeated_lines > REPEATED:
        repeated = [np.count_nonzero(jumps == 0) / len(jumps) for jumps in (sample.row_jumps, sample.column_jumps)]
        luma = cv2.cvtColor(sample.points, cv2.COLOR_BGR2GRAY)
        for axis, name, share in zip((1, 0), ("repeated_rows", "repeated_columns"), repeated, strict=True):
            plain = (luma.max(axis=axis) - luma.min(axis=axis) <= 1).mean()
            found[name] = round(max(share - float(plain), 0), DIGITS)
    return found


def _clipped(points: np.ndarray) -> dict[str, float]:
    brightest, darkest = points.max(axis=2), points.min(axis=2)
    clipped = darkest[(brightest >= SATURATED) & (darkest >= COLOURED[0]) & (darkest <= COLOURED[1])]
    return {
        "clipped_share": round(clipped.size / darkest.size, DIGITS),
        "clipped_spread": round(float(clipped.std()), 2) if clipped.size else 0.0,
    }


def _levels(rows: np.ndarray) -> dict[str, float]:
    """Shares of the fullest, the second fullest and all `WINDOWS` windows of green's levels."""
    bins = cv2.calcHist([rows], [1], None, [256], [0, 256]).reshape(1, 256)
    bins = np.asarray(bins / bins.sum(), np.float32)
    used: list[float] = []
    places: list[int] = []
    for _ in range(WINDOWS):
        sums = cv2.boxFilter(bins, -1, (WINDOW, 1), normalize=False, borderType=cv2.BORDER_CONSTANT)
        at = int(sums.argmax())
        used.append(float(sums[0, at]))
        if used[-1] > LEAST_WINDOW and all(abs(at - other) > 2 * WINDOW for other in places):
            places.append(at)
        bins[0, max(at - WINDOW // 2, 0) : at + WINDOW // 2 + 1] = 0
    return {
        "fullest_level": round(used[0], DIGITS),
        "second_level": round(used[1], DIGITS),
        "few_levels": round(sum(used), DIGITS),
        "level_gap": _regular_gap(sorted(places)),
    }


def _regular_gap(places: Sequence[int]) -> int:
    """The distance of neighbouring windows, where they are three or more at equal distances; else 0."""
    gaps = np.diff(places)
    return int(gaps.min()) if len(gaps) > 1 and gaps.max() <= UNEVEN * gaps.min() else 0


def _colours(points: np.ndarray) -> int:
    """How many there are, in `COLOUR_BITS` a channel."""
    few = (points >> (8 - COLOUR_BITS)).astype(np.uint16)
    return len(np.unique(few[..., 0] << 2 * COLOUR_BITS | few[..., 1] << COLOUR_BITS | few[..., 2]))


def _unit_error(rows: np.ndarray) -> float:
    """How far colours, as vectors in [-1, 1], are from the length 1 that normals have; the median."""
    length = np.linalg.norm(rows.reshape(-1, 3) / np.float32(127.5) - 1, axis=1)
    return round(float(np.median(np.abs(length - 1))), DIGITS)


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
