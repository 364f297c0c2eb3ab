"""What a count of bad scenes says about the share of bad ones: exact binomial, no approximation."""

from __future__ import annotations

import math
from collections.abc import Callable

from gonogo.verdict import Status

FALSE_STOP = 0.01  # chance accepted of stopping data that is just within tolerance; 10 items at 5 %: from 4 bad
CONFIDENCE = 0.95  # of each bound, one-sided


def tail(bad: int, n: int, share: float) -> float:
    """P(X >= bad) for X ~ Binomial(n, share)."""
    if bad <= 0:
        return 1.0
    if share <= 0 or bad > n:
        return 0.0
    if share >= 1:
        return 1.0
    if bad <= n * share:
        return 1 - _summed(bad - 1, n, share, step=-1)
    return _summed(bad, n, share, step=1)


def _summed(start: int, n: int, share: float, step: int) -> float:
    """Binomial probabilities from `start` outwards, away from the mean, until they no longer count."""
    log_first = math.lgamma(n + 1) - math.lgamma(start + 1) - math.lgamma(n - start + 1)
    term = math.exp(log_first + start * math.log(share) + (n - start) * math.log1p(-share))
    odds, total, k = share / (1 - share), 0.0, start
    while 0 <= k <= n and term > total * 1e-17:
        total += term
        term *= (n - k) / (k + 1) * odds if step > 0 else k / (n - k + 1) / odds
        k += step
    return min(total, 1.0)


def bounds(bad: int, n: int) -> tuple[float, float]:
    """Clopper-Pearson: the true share is at least the first, at most the second, each with 95 % confidence.

    Source: Clopper & Pearson, Biometrika 26 (1934). (0, 1) for n = 0.
    """
    miss = 1 - CONFIDENCE
    lower = 0.0 if bad <= 0 else _where(lambda p: tail(bad, n, p) >= miss)
    upper = 1.0 if bad >= n else _where(lambda p: 1 - tail(bad + 1, n, p) <= miss)
    return lower, upper


def _where(reached: Callable[[float], bool]) -> float:
    """The share 0-1 from which `reached` holds, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def stop_count(n: int, tolerance: float) -> int:
    """Least number of bad among n that is evidence of more than the tolerated share.

    All of them bad is always enough, however few they are, unless any share is tolerated.
    """
    if tolerance >= 1:
        return n + 1
    low, high = 1, max(n, 1)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if tail(middle, n, tolerance) <= FALSE_STOP else (middle + 1, high)
    return low


def decide(bad: int, n: int, tolerance: float) -> Status:
    """NO_GO on evidence of more than the tolerated share, GO on none or evidence of less, else CAUTION."""
    if n == 0:
        return Status.UNKNOWN
    if bad >= stop_count(n, tolerance):
        return Status.NO_GO
    return Status.GO if bad == 0 or bounds(bad, n)[1] <= tolerance else Status.CAUTION
