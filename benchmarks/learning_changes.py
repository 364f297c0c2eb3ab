"""What is done to inputs and targets of a family of benchmarks/learning.py, on both sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.learning_families import TRAIN, Arrays, Family

Random = np.random.Generator


def permuted(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
    return x, np.concatenate([rng.permutation(y[:TRAIN]), rng.permutation(y[TRAIN:])])


def rolled(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
    return x, np.roll(y, 1, 0)


def noise(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
    return x, rng.permutation(y.ravel()).reshape(y.shape)


def spoilt(which: str) -> Any:
    def change(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
        (x if which == "x" else y)[TRAIN // 2].flat[0] = np.nan
        return x, y

    return change


def same_targets(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
    y[:] = y[0]
    return x, y


def black(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
    return np.zeros_like(x), y


def blank(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
    x[rng.random(len(x)) < 0.7] = 0
    return x, y


def dark(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
    return x, y * np.float32(0.05)


def held_out(change: Callable[[np.ndarray], np.ndarray]) -> Any:
    def changed(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
        x[TRAIN:] = change(x[TRAIN:])
        return x, y

    return changed


def held_out_alike(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
    y[TRAIN:] = y[TRAIN]
    return x, y


def one_sample(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
    x[:TRAIN], y[:TRAIN] = x[np.arange(TRAIN) % 8], y[np.arange(TRAIN) % 8]
    return x, y


def too_high(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
    y.reshape(len(y), -1)[TRAIN // 2, 0] = family.classes
    return x, y


def unsupervised(share: float) -> Any:
    def change(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
        y[rng.random(len(y)) < share] = -100
        return x, y

    return change


def copied(grain: float) -> Any:
    def change(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
        count = 12
        x[TRAIN : TRAIN + count], y[TRAIN : TRAIN + count] = x[:count], y[:count]
        if grain:
            x[TRAIN : TRAIN + count] += (grain * x.std() * rng.normal(size=x[:count].shape)).astype(np.float32)
        return x, y

    return change


def answer_inside(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
    """The last column, or channel, is the target; the family's shapes stay."""
    if x.ndim == 2:
        x[:, -1] = (y.reshape(len(y), -1)[:, 0] - y.mean()) / y.std()
    else:
        x[:, -1] = y[:, -1]
    return x, y


def unshifted(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
    return x, x.copy()


def mislabelled(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
    wrong = rng.random(len(y)) < 0.2
    y[wrong] = rng.permutation(y[wrong])
    return x, y


def imbalanced(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
    """Nine in ten are of the first class, in both sides."""
    mostly = np.flatnonzero(y == 0)
    order = np.where(rng.random(len(y)) < 0.6, rng.choice(mostly, len(y)), np.arange(len(y)))
    grain = (0.05 * x.std() * rng.normal(size=x.shape)).astype(np.float32)
    first = np.zeros(len(y), bool)
    first[np.unique(order, return_index=True)[1]] = True
    moved = np.where(first.reshape(-1, *[1] * (x.ndim - 1)), x[order], np.roll(x[order], 1, -1) * 0.9 + grain)
    return moved.astype(np.float32), y[order]


def large(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
    return x, (50 * y + 300).astype(np.float32)


def negative(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
    return x, (y - y.max() - 1 * y.std()).astype(np.float32)


def sparse(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
    """Zero but for the strongest tenth."""
    return x, np.where(y > np.quantile(y, 0.85), y - np.quantile(y, 0.85), 0).astype(np.float32)


def noisy(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
    return x, (y + y.std(0) * rng.normal(size=y.shape)).astype(np.float32)


def twice(x: np.ndarray, y: np.ndarray, rng: Random, family: Family) -> Arrays:
    """Each training sample is there twice, as in an oversampled set."""
    half = TRAIN // 2
    x[half:TRAIN], y[half:TRAIN] = x[:half], y[:half]
    return x, y
