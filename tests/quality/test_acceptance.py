"""Exact binomial figures, against sums and against the tables of the literature."""

from __future__ import annotations

import math
import random

import pytest

from gonogo.quality.acceptance import AcceptanceRule, bounds, tail
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


def sample(tolerance: float = 0.05) -> AcceptanceRule:
    return AcceptanceRule(tolerance, false_alarm=0.01, miss=0.01, sampled=True, most=60)


def whole(tolerance: float = 0.05) -> AcceptanceRule:
    return AcceptanceRule(tolerance, false_alarm=0.01, miss=0.01)


def test_a_sample_of_ten_stops_at_four() -> None:
    assert sample().stop_count(10) == 4
    found = [sample().status(bad, 10) for bad in range(6)]
    assert found == [Status.GO, *[Status.CAUTION] * 3, *[Status.NO_GO] * 2]


def test_a_sample_asks_for_as_many_as_would_decide() -> None:
    assert [sample().more(bad, 10) for bad in range(5)] == [8, 16, 25, 33, 0]
    assert sample().more(0, 18) == 0 and sample().status(0, 18) is Status.GO
    assert sample().more(1, 50) == 0, "passes by then"
    assert sample().more(6, 55) == 5, "no more than are allowed"
    assert sample().more(6, 60) == 0 and sample().status(6, 60) is Status.CAUTION
    assert whole().more(0, 10) == 0


@pytest.mark.parametrize(("share", "least_passed", "most_passed"), [(0.0, 1, 1), (0.05, 0.8, 1), (0.2, 0, 0.05)])
def test_how_often_a_sample_errs(share: float, least_passed: float, most_passed: float) -> None:
    """Good data is stopped in less than 1 % of cases, bad data passed in less than 5 %, as the test promises."""
    rng, rule = random.Random(5), sample()
    seen_as_bad = share * 0.99 + (1 - share) * 0.01
    stopped = passed = 0
    for _ in range(3000):
        n, bad, more = 0, 0, 10
        while more:
            n, bad = n + more, bad + sum(rng.random() < seen_as_bad for _ in range(more))
            more = rule.more(bad, n)
        stopped += rule.stops(bad, n)
        passed += rule.status(bad, n) is Status.GO
    assert least_passed <= passed / 3000 <= most_passed
    if share <= 0.05:
        assert stopped / 3000 < 0.01


def test_all_bad_is_enough_however_few() -> None:
    for rule in (sample(), whole()):
        assert [rule.status(n, n) for n in (1, 2, 5)] == [Status.NO_GO] * 3
    assert whole(tolerance=1.0).status(1, 1) is not Status.NO_GO


def test_a_whole_set_is_judged_by_what_is_in_it() -> None:
    """Five of a hundred are tolerated; what is above that must not be the detector's own errors."""
    found = [whole().status(bad, 100) for bad in (0, 5, 6, 10, 11)]
    assert found == [Status.GO, Status.GO, Status.CAUTION, Status.CAUTION, Status.NO_GO]
    assert AcceptanceRule(0.05).status(6, 100) is Status.NO_GO, "a detector that never errs"


def test_the_detectors_errors_are_reckoned_out() -> None:
    assert whole().corrected(1, 100) == pytest.approx(0)
    assert whole().corrected(99, 100) == pytest.approx(1)
    assert whole().corrected(20, 100) == pytest.approx(0.19 / 0.98)


def test_no_tolerance_and_nothing_measured() -> None:
    assert AcceptanceRule(0.0).status(1, 10) is Status.NO_GO
    assert whole().status(0, 0) is Status.UNKNOWN
