"""Slopes, intervals and convergence of a few points, and how certain they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist, fmean, median
from typing import Literal

import numpy as np

CONFIDENCE = 0.9  # two-sided, of every interval here
FEWEST_FOR_NOISE = 4
NOISES = 4  # standard deviations of the scatter that a change must exceed
CHANGE_WITHOUT_NOISE = 0.05  # relative change that counts where there are too few points to estimate their noise
SMALL_CHANGE = 0.02  # relative change over the second half that is none

State = Literal["falling", "flat", "rising", "unknown"]


@dataclass(frozen=True)
class Slope:
    """Per step. An infinite bound: too few points to tell."""

    slope: float
    low: float
    high: float


def theil_sen(steps: Sequence[float], values: Sequence[float]) -> Slope | None:
    """Median of the slopes between all pairs of points, with Sen's interval; None for fewer than two finite points.

    Source: Sen 1968, J. Am. Stat. Assoc. 63, 1379. One wild point in four moves it little.
    """
    points = [(x, y) for x, y in zip(steps, values, strict=True) if math.isfinite(y)]
    slopes = sorted((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if a[0] != b[0])
    if not slopes:
        return None
    n = len(points)
    spread = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    below = math.floor((len(slopes) - spread) / 2)
    low, high = (-math.inf, math.inf) if below < 0 else (slopes[below], slopes[-1 - below])
    return Slope(median(slopes), low, high)


@dataclass(frozen=True)
class Convergence:
    """What a validation loss does at its end."""

    state: State  # `flat` is converged; `unknown`: fewer than two points
    noise: float | None  # standard deviation about its trend, relative to the level; None: too few points to tell
    beyond_noise: bool  # whether the change is larger than noise explains
    text: str  # one sentence


def converged(val_steps: Sequence[int], val_loss: Sequence[float | None]) -> Convergence:
    """Whether the second half of a validation loss still falls, is flat, or rises; 0.0732 → 0.0860 is rising.

    With four points or more, noise is estimated from the scatter about a line through the second half; with fewer, a
    change of 5 % counts.
    """
    points = [(s, v) for s, v in zip(val_steps, val_loss, strict=True) if v is not None and math.isfinite(v)]
    if len(points) < 2:
        return Convergence("unknown", None, False, "too few validations to tell whether it has converged")
    tail = points[-max(FEWEST_FOR_NOISE, math.ceil(len(points) / 2)) :]
    steps, values = [p[0] for p in tail], [p[1] for p in tail]
    level = max(fmean(abs(v) for v in values), 1e-12)
    noise = scatter(steps, values) / level if len(tail) >= FEWEST_FOR_NOISE else None
    last, best = (
        _level(values),
        min(_level([p[1] for p in points[:end]]) for end in range(min(3, len(points) - 1), len(points) + 1)),
    )
    text = f"validation loss {values[0]:.4g} → {values[-1]:.4g} from step {steps[0]} to {steps[-1]}, best {best:.4g}"
    limit = CHANGE_WITHOUT_NOISE if noise is None else max(NOISES * noise, SMALL_CHANGE)
    if (last - best) / level > limit:
        return Convergence("rising", noise, True, f"{text}: it rises again")
    trend = theil_sen(steps, values)
    assert trend is not None
    moved = trend.slope * (steps[-1] - steps[0]) / level
    certain = trend.high < 0 if noise is not None else True
    if moved < -SMALL_CHANGE and certain:
        return Convergence("falling", noise, -moved > limit, f"{text}: it still falls, so it has not converged")
    if moved > SMALL_CHANGE and (trend.low > 0 or noise is None):
        return Convergence("rising", noise, moved > limit, f"{text}: it rises")
    return Convergence("flat", noise, False, f"{text}: flat within its noise")


def _level(values: Sequence[float]) -> float:
    """Where a series ends, without its noise: the median of the last three; of fewer, the last."""
    return median(values[-3:]) if len(values) >= 3 else values[-1]


def scatter(steps: Sequence[float], values: Sequence[float]) -> float:
    """Standard deviation about the Theil-Sen line, from the median absolute deviation."""
    trend = theil_sen(steps, values)
    slope = trend.slope if trend else 0.0
    rest = [value - slope * step for step, value in zip(steps, values, strict=True)]
    middle = median(rest)
    return 1.4826 * median(abs(value - middle) for value in rest)


@dataclass(frozen=True)
class SkillEstimate:
    value: float
    low: float
    high: float


def one_minus_ratio(errors: Sequence[float], baselines: Sequence[float], groups: Sequence[object]) -> SkillEstimate:
    """Skill, 1 - Σ errors / Σ baselines, with a t interval over groups: samples of one group are not independent.

    Source: the ratio estimator's linearised variance, Cochran 1977, Sampling Techniques, chapter 6.
    """
    error, base = np.asarray(errors, float), np.asarray(baselines, float)
    total = max(float(base.sum()), 1e-12)
    ratio = float(error.sum()) / total
    return _with_interval(1 - ratio, -(error - ratio * base) / total, groups)


def mean_difference(differences: Sequence[float], groups: Sequence[object]) -> SkillEstimate:
    """Mean with a t interval over groups."""
    values = np.asarray(differences, float)
    return _with_interval(float(values.mean()), (values - values.mean()) / len(values), groups)


def _with_interval(value: float, influences: np.ndarray, groups: Sequence[object]) -> SkillEstimate:
    """The value ± t · standard error, from each sample's share of its deviation, summed within groups."""
    _, index = np.unique([str(group) for group in groups], return_inverse=True)
    sums = np.bincount(index, weights=influences)
    k = len(sums)
    if k < 3 or not np.isfinite(sums).all():
        return SkillEstimate(value, -math.inf, math.inf)
    half = student_t(0.5 + CONFIDENCE / 2, k - 1) * math.sqrt(float((sums**2).sum()) * k / (k - 1))
    return SkillEstimate(value, value - half, value + half)


def student_t(share: float, freedom: int) -> float:
    """Quantile of Student's t by its expansion about the normal's; within 1 % from 3 degrees of freedom.

    Source: Abramowitz and Stegun 26.7.5.
    """
    z = NormalDist().inv_cdf(share)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
