"""Where a loss began and where it ended, against its own noise: for runs of which nothing else is known."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median

from gonogo.learning.trend import CHANGE_WITHOUT_NOISE, FEWEST_FOR_NOISE, scatter, theil_sen

START, END = 0.1, 0.2  # shares of the values; but three of them, where there are six
CLEAR = 2.7  # standard deviations of ranks; flat, noisy losses pass in 8 of 100 runs, by all tests together
FIRST_STANDS_OUT = 4  # times the scatter that the first value alone is above the rest: all of the fall in one step
FEWEST_FOR_FIRST = 8  # values, for that
MEDIAN_ERROR = 1.2533  # standard error of a median over that of a mean, of normal noise


@dataclass(frozen=True)
class LossTrend:
    """The start, the end and the noise of a loss.

    Attributes:
        values: how many there are.
        first: of the untrained model, as far as the first three values tell.
        start, end: medians of the first tenth and of the last fifth of the values.
        fall_sigmas: how far the ranks of earlier values lie above those of later ones, in standard deviations, at the
            split of the run where they do most.
        rise_sigmas: likewise below.
        error: standard error of `fall`, by the scatter about the slope.
        slope_falls, slope_rises: the 90 % interval of the slope over the run lies below zero, above zero.
        drops_at_once: the first value alone lies clearly above all that follows.
        spike: highest loss above `first`, over the larger of `first` and the greatest fall from it; 0: never above.
        end_spike: the same of the last value.
    """

    values: int
    first: float
    start: float
    end: float
    fall_sigmas: float
    rise_sigmas: float
    error: float
    slope_falls: bool
    slope_rises: bool
    drops_at_once: bool
    spike: float
    end_spike: float

    @property
    def fall(self) -> float:
        """From start to end, as a share of the start."""
        return (self.start - self.end) / max(abs(self.start), 1e-12)

    @property
    def falls(self) -> bool:
        """Beyond its noise; of fewer than four values, whose noise nobody knows, by more than 5 %."""
        if self.values < FEWEST_FOR_NOISE:
            return self.fall > CHANGE_WITHOUT_NOISE
        return self.fall > 0 and (self.slope_falls or self.fall_sigmas > CLEAR or self.drops_at_once)

    @property
    def rises(self) -> bool:
        """Likewise. Never of fewer than four values."""
        return self.fall < 0 and (self.slope_rises or self.rise_sigmas > CLEAR)

    @property
    def stands_still(self) -> bool:
        """Its noise leaves no room for a change of 5 %. Never of fewer than four values."""
        if self.values < FEWEST_FOR_NOISE or self.falls:
            return False
        return abs(self.fall) + 2 * self.error <= CHANGE_WITHOUT_NOISE


def loss_trend(
    points: Sequence[tuple[int, float]], spiked: float, opening: Sequence[float] = (), peak: float | None = None
) -> LossTrend:
    """What finite losses show, of which there is at least one.

    Args:
        points: step and loss, or means of several.
        spiked: rise over the very first loss, in units of it, from which the next two have exploded.
        opening: the first three losses, where the points are means of several.
        peak: the highest loss, likewise.
    """
    steps, losses = [step for step, _ in points], [loss for _, loss in points]
    n, first, slope = len(losses), _untrained(opening or losses[:3], spiked), theil_sen(steps, losses)
    few, late = (min(max(3, math.ceil(share * n)), max(1, n // 2)) for share in (START, END))
    noise = scatter(steps, losses)
    at_once = n >= FEWEST_FOR_FIRST and losses[0] - median(losses[1:]) > FIRST_STANDS_OUT * noise
    start = losses[0] if at_once else median(losses[:few])
    scale = max(abs(first), first - min(losses), 1e-12)
    falls, rises = _shift(losses, few)
    return LossTrend(
        values=n,
        first=first,
        start=start,
        end=median(losses[-late:]),
        fall_sigmas=falls,
        rise_sigmas=rises,
        error=MEDIAN_ERROR * noise * math.sqrt(1 / few + 1 / late) / max(abs(start), 1e-12),
        slope_falls=slope is not None and slope.high < 0,
        slope_rises=slope is not None and slope.low > 0,
        drops_at_once=at_once,
        spike=max(0.0, ((max(losses) if peak is None else peak) - first) / scale),
        end_spike=max(0.0, (losses[-1] - first) / scale),
    )


def _untrained(opening: Sequence[float], spiked: float) -> float:
    """The median of the first three losses that are not zero, unless these have exploded from the first one on."""
    known = [loss for loss in opening if loss] or [0.0]
    level = median(known)
    return level if level - known[0] <= spiked * abs(known[0]) else known[0]


def _shift(losses: Sequence[float], few: int) -> tuple[float, float]:
    """How clearly earlier values lie above later ones, and below: in standard deviations of their sum of ranks.

    The largest over all splits with `few` values or more on either side, so that it does not matter when the loss
    fell; no single value counts by more than its rank. Source: Pettitt 1979, Applied Statistics 28, 126.
    """
    n, in_order = len(losses), sorted(losses)
    ranks = [(bisect_left(in_order, loss) + bisect_right(in_order, loss) + 1) / 2 for loss in losses]
    sums = list(accumulate(ranks))
    shifts = (
        [(sums[k - 1] - k * (n + 1) / 2) / math.sqrt(k * (n - k) * (n + 1) / 12) for k in range(few, n - few + 1)]
        if n > 1
        else [0.0]
    )
    return max(shifts), -min(shifts)
