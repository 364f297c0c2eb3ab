"""Do inputs and targets belong together? Asked of the data alone, without a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FEWEST = 24  # distinct inputs, below which the answer would be chance
MOST = 256
PERMUTATIONS = 999
NEIGHBOURS = 3


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
