"""What a count of bad items decides: exactly for a whole set, sequentially for a sample of a larger one.

The detector errs, too: every rule allows for the share of good items that it takes for bad, and of bad ones that it
misses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from gonogo.verdict import Status

CONFIDENCE = 0.95  # of each bound, one-sided
AT_ONCE = 0.002  # chance at which a count is evidence by itself: 10 items, 5 % tolerated, 1 % false alarms: from 4 bad
# Wald's sequential test: chances accepted of stopping good data and of passing bad data
FALSE_STOP, FALSE_PASS = 0.01, 0.05
UNACCEPTABLE = 4  # times the tolerance is the share of bad items that a sample is sure to stop, at least …
LEAST_EXCESS = 0.15  # … so much above it


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


@dataclass(frozen=True)
class AcceptanceRule:
    """How a count of bad items becomes a status.

    Attributes:
        tolerance: share of items allowed to be bad.
        false_alarm, miss: of the detector, shares of good and of bad items.
        sampled: the items are a sample of a larger set; else they are all that there is.
        most: items after which a sample is decided as it stands.
    """

    tolerance: float
    false_alarm: float = 0.0
    miss: float = 0.0
    sampled: bool = False
    most: int = 0

    def status(self, bad: int, n: int) -> Status:
        """NO_GO on evidence of more than the tolerated share, GO on none or evidence of less, else CAUTION.

        All of them bad is always enough, however few they are, unless any share is tolerated. UNKNOWN for n = 0.
        """
        if n == 0:
            return Status.UNKNOWN
        if self.stops(bad, n):
            return Status.NO_GO
        return Status.GO if bad == 0 or self._passes(bad, n) else Status.CAUTION

    def more(self, bad: int, n: int) -> int:
        """How many items more a sample needs before it can pass, if all of them are good; 0 where it is decided."""
        if not self.sampled or n == 0 or n >= self.most or self.stops(bad, n) or self._passes(bad, n):
            return 0
        return min(self.most - n, math.ceil((self._evidence(bad, n) - self._pass_at) / -self._good))

    def stops(self, bad: int, n: int) -> bool:
        if self.tolerance >= 1 or bad == 0:
            return False
        if bad == n:
            return True
        if self.sampled:
            return self._evidence(bad, n) >= self._stop_at or tail(bad, n, self._seen(self.tolerance)) <= AT_ONCE
        tolerated = self._tolerated(n)
        return bad > tolerated and tail(bad - tolerated, n - tolerated, self.false_alarm) <= AT_ONCE

    def stop_count(self, n: int) -> int:
        """Least number of bad among n that is NO_GO; n + 1 where there is none."""
        low, high = 1, n + 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.stops(middle, n) else (middle + 1, high)
        return low

    def corrected(self, bad: int, n: int) -> float:
        """The share of bad items that a detector with these errors sees as `bad` of `n`.

        Source: Rogan & Gladen, American Journal of Epidemiology 107 (1978).
        """
        right = 1 - self.false_alarm - self.miss
        return min(1.0, max(0.0, (bad / n - self.false_alarm) / right)) if n and right > 0 else 0.0

    def _passes(self, bad: int, n: int) -> bool:
        if self.sampled:
            return self._evidence(bad, n) <= self._pass_at
        return bad <= self._tolerated(n)

    def _tolerated(self, n: int) -> int:
        return math.floor(self.tolerance * n + 1e-9)

    # --- Wald, Sequential Analysis (1947): log-likelihood ratio of an unacceptable share over the tolerated one ---

    def _evidence(self, bad: int, n: int) -> float:
        return bad * self._bad + (n - bad) * self._good

    @property
    def _bad(self) -> float:
        return math.log(self._seen(self._unacceptable) / self._seen(self.tolerance))

    @property
    def _good(self) -> float:
        return math.log((1 - self._seen(self._unacceptable)) / (1 - self._seen(self.tolerance)))

    @property
    def _stop_at(self) -> float:
        return math.log((1 - FALSE_PASS) / FALSE_STOP)

    @property
    def _pass_at(self) -> float:
        return math.log(FALSE_PASS / (1 - FALSE_STOP))

    @property
    def _unacceptable(self) -> float:
        return min(max(UNACCEPTABLE * self.tolerance, self.tolerance + LEAST_EXCESS), (1 + self.tolerance) / 2)

    def _seen(self, share: float) -> float:
        """The share that the detector sees as bad, where `share` of the items is."""
        return min(max(share * (1 - self.miss) + (1 - share) * self.false_alarm, 1e-6), 1 - 1e-6)
