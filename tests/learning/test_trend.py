"""Slopes, intervals and convergence, against figures that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gonogo.learning.trend import converged, mean_difference, one_minus_ratio, student_t, theil_sen


def test_one_wild_point_does_not_turn_the_slope() -> None:
    steps = list(range(10))
    values = [0.1 * step for step in steps]
    values[4] = 50.0
    found = theil_sen(steps, values)
    assert found is not None and found.slope == pytest.approx(0.1) and found.low > 0


def test_the_interval_holds_the_true_slope_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    steps = list(range(12))
    found = [
        theil_sen(steps, [0.05 * s + e for s, e in zip(steps, rng.normal(size=12), strict=True)]) for _ in range(400)
    ]
    held = np.mean([f is not None and f.low <= 0.05 <= f.high for f in found])
    assert 0.86 < held < 0.97


def test_too_few_points_say_nothing() -> None:
    assert theil_sen([1], [1.0]) is None and theil_sen([1, 2], [float("nan"), 1.0]) is None
    found = theil_sen([1, 2, 3], [1.0, 2.0, 3.0])
    assert found is not None and found.slope == 1 and math.isinf(found.low) and math.isinf(found.high)


@pytest.mark.parametrize(
    ("losses", "state"),
    [
        ([0.0732, 0.0860], "rising"),  # was called converged once
        ([0.5, 0.3, 0.2, 0.12, 0.09, 0.07, 0.05, 0.04], "falling"),
        ([0.5, 0.3, 0.1, 0.101, 0.099, 0.1005, 0.0995, 0.1], "flat"),
        ([0.5, 0.3, 0.1, 0.09, 0.11, 0.13, 0.15, 0.17], "rising"),
        ([0.5], "unknown"),
        ([0.5, None], "unknown"),
    ],
)
def test_converged(losses: list[float | None], state: str) -> None:
    found = converged(list(range(10, 10 * len(losses) + 1, 10)), losses)
    assert found.state == state
    if state == "rising":
        assert found.beyond_noise and "rises" in found.text


def test_noise_alone_is_no_rise() -> None:
    rng = np.random.default_rng(1)
    found = [converged(list(range(20)), list(0.1 + 0.01 * rng.normal(size=20))) for _ in range(50)]
    assert sum(f.state == "rising" for f in found) <= 5


def test_quantiles_of_t() -> None:
    for freedom, value in ((3, 2.353), (5, 2.015), (10, 1.812), (47, 1.678)):  # printed tables
        assert student_t(0.95, freedom) == pytest.approx(value, rel=0.01)


def test_samples_of_one_input_are_not_independent() -> None:
    rng = np.random.default_rng(0)
    errors, base = np.repeat(rng.uniform(0, 1, 6), 8), np.ones(48)
    apart = one_minus_ratio(errors, base, list(range(48)))
    together = one_minus_ratio(errors, base, list(np.repeat(range(6), 8)))
    assert apart.value == together.value == pytest.approx(1 - errors.mean())
    assert together.high - together.low > 2 * (apart.high - apart.low)
    assert math.isinf(one_minus_ratio(errors, base, [0] * 48).low)
    assert (
        mean_difference([1.0, 2.0, 3.0, 2.0], range(4)).low < 2 < mean_difference([1.0, 2.0, 3.0, 2.0], range(4)).high
    )
