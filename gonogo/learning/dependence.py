"""Do inputs and targets belong together? Asked of the data alone, without a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FEWEST = 24  # distinct inputs, below which the answer would be chance
MOST = 256
PERMUTATIONS = 999
NEIGHBOURS = 3
ALIKE = 1e-6


def independence_p(views: Sequence[np.ndarray], targets: np.ndarray, labels: list[bytes]) -> float | None:
    """p-value of "the targets do not depend on the inputs"; None where there are too few distinct inputs.

    Two statistics for each view of the inputs, all against the same random re-pairings: distance correlation (Székely,
    Rizzo and Bakirov 2007), and how far apart the targets of the nearest inputs lie, which sees what the first does
    not. The smallest p, times their number (Bonferroni).

    Args:
        views: (N, D) each, the inputs described in one way or several.
        targets: (N, E).
        labels: N; samples of one input (several views of one picture) are averaged, for they are no independent pairs.
    """
    _, index = np.unique(np.array([label.hex() for label in labels]), return_inverse=True)
    count = int(index.max()) + 1 if len(index) else 0
    if count < FEWEST:
        return None
    kept = index < MOST
    index, count = index[kept], min(count, MOST)
    y, *xs = (_distances(_scaled(_averaged(values[kept], index, count))) for values in (targets, *views))
    xs = [x for x in xs if x.any()]
    if not xs or not y.any():
        return None
    rng = np.random.default_rng(0)
    orders = [rng.permutation(count) for _ in range(PERMUTATIONS)]
    reached = min(min(_reached(x, y, orders)) for x in xs)
    return min(1.0, 2 * len(xs) * reached / (PERMUTATIONS + 1))


def _reached(x: np.ndarray, y: np.ndarray, orders: Sequence[np.ndarray]) -> tuple[int, int]:
    """By how many orders of the targets, the given one counted, each statistic is as telling as in the given one."""
    centred_x, centred_y = _centred(x), _centred(y)
    np.fill_diagonal(x, np.inf)
    near = np.argpartition(x, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    together = float((centred_x * centred_y).sum())
    apart = float(np.take_along_axis(y, near, 1).sum())
    more = nearer = 1
    for order in orders:
        more += float((centred_x * centred_y[np.ix_(order, order)]).sum()) >= together
        nearer += float(y[order[:, None], order[near]].sum()) <= apart
    return more, nearer


def _averaged(values: np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, index, values)
    return sums / np.bincount(index, minlength=count)[:, None]


def _scaled(values: np.ndarray) -> np.ndarray:
    """Every column in its own spread, but no column that hardly varies blown up."""
    spread = values.std(0)
    return (values - values.mean(0)) / np.maximum(spread, 0.1 * float(spread.max()) + 1e-12)


def _distances(values: np.ndarray) -> np.ndarray:
    square = (values**2).sum(1)
    found = np.sqrt(np.maximum(square[:, None] + square[None] - 2 * values @ values.T, 0))
    np.fill_diagonal(found, 0)
    return found


def _centred(distances: np.ndarray) -> np.ndarray:
    return distances - distances.mean(0) - distances.mean(1)[:, None] + distances.mean()


def masks_independence_p(pictures: np.ndarray, masks: np.ndarray) -> float | None:
    """p-value of "masks mark nothing in their own pictures that they would not in others"; None where there are few, or
    all masks are the same.

    The statistic: by how much the pixels' values, and their differences from their neighbours, vary between a mask's
    regions, as a share of their variance in the picture, for a mask and its own picture against random re-pairings.

    Args:
        pictures: (N, C, S, S).
        masks: (N, K, S, S), shares of each region's area, summing to 1 over K.
    """
    count = min(len(pictures), MOST)
    if count < FEWEST:
        return None
    x, regions = pictures[:count].astype(np.float64), masks[:count].reshape(count, masks.shape[1], -1)
    edges = np.sqrt(sum(np.square(np.gradient(x, axis=axis)) for axis in (2, 3)))
    values = np.concatenate([x, edges], 1).reshape(count, 2 * x.shape[1], -1)
    values -= values.mean(axis=2, keepdims=True)
    total = np.square(values).sum(axis=2)
    telling = total > 1e-9 * max(float(total.max()), 1e-300)
    areas = regions.sum(axis=2)
    fits = np.zeros((count, count))  # of a picture's pixels to a mask
    for region in range(regions.shape[1]):
        sums = np.einsum("icp,jp->ijc", values, regions[:, region], optimize=True)
        between = np.square(sums) / np.maximum(areas[None, :, region, None], 1e-9)
        share = np.divide(between, total[:, None], where=telling[:, None], out=np.zeros_like(between))
        fits += share.mean(axis=2)
    if float(np.ptp(fits, axis=1).max()) <= ALIKE * float(fits.max()):  # flat pictures, or one mask for all
        return None
    rng = np.random.default_rng(0)
    own, rows = float(np.trace(fits)), np.arange(count)
    reached = 1 + sum(float(fits[rows, rng.permutation(count)].sum()) >= own for _ in range(PERMUTATIONS))
    return reached / (PERMUTATIONS + 1)
