"""Exact binomial figures, against sums and against the tables of the literature."""

from __future__ import annotations

import math

import pytest

from gonogo.quality.decisions import bounds, decide, stop_count, tail
from gonogo.verdict import Status


def summed(bad: int, n: int, share: float) -> float:
    return sum(math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(bad, n + 1))


@pytest.mark.parametrize("n", [1, 10, 59, 400])
@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 0.97])
def test_tail_is_the_sum(n: int, share: float) -> None:
    for bad in {0, 1, n // 10, n // 2, n - 1, n}:
        assert tail(bad, n, share) == pytest.approx(summed(bad, n, share), rel=1e-9, abs=1e-12)


def test_tail_at_the_edges() -> None:
    assert (tail(0, 5, 0.0), tail(1, 5, 0.0), tail(5, 5, 1.0)) == (1, 0, 1)
    assert 0.4 < tail(50_000, 1_000_000, 0.05) < 0.6


def test_clopper_pearson_bounds() -> None:
    assert bounds(0, 10) == (0, pytest.approx(0.2589, abs=1e-4))
    assert bounds(4, 10) == (pytest.approx(0.1500, abs=1e-4), pytest.approx(0.6965, abs=1e-4))
    assert bounds(10, 10) == (pytest.approx(0.7411, abs=1e-4), 1)
    assert bounds(0, 59)[1] < 0.05 < bounds(0, 58)[1]
    assert bounds(0, 0) == (0, 1)


def test_four_of_ten_stop_at_five_percent() -> None:
    assert stop_count(10, 0.05) == 4
    found = [decide(bad, 10, 0.05) for bad in range(6)]
    assert found == [Status.GO, *[Status.CAUTION] * 3, *[Status.NO_GO] * 2]


def test_all_bad_is_enough_however_few() -> None:
    assert decide(1, 1, 0.05) is Status.NO_GO
    assert decide(2, 2, 0.05) is Status.NO_GO
    assert decide(1, 1, 1.0) is not Status.NO_GO


def test_a_share_surely_within_tolerance_goes() -> None:
    assert decide(10, 1000, 0.05) is Status.GO
    assert decide(45, 1000, 0.05) is Status.CAUTION
    assert decide(80, 1000, 0.05) is Status.NO_GO


def test_no_tolerance_and_nothing_measured() -> None:
    assert decide(1, 10, 0.0) is Status.NO_GO
    assert decide(0, 0, 0.05) is Status.UNKNOWN
