"""What the losses of a script show, beyond their noise."""

from __future__ import annotations

import math
from collections import Counter
from itertools import accumulate, pairwise
from statistics import median

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.loss_trend import LossTrend, loss_trend
from gonogo.learning.trend import scatter
from gonogo.script.processor.facts import LossSeries, ProcessorFacts

SETTLES = 2  # first losses of the repeated batch that are left out: of batches fetched ahead
STEADY = 0.8
LEAST_FALL = 1e-5
FEWEST_TO_RETURN = 40  # values
MUCH_LOST = 0.4  # of the fall, by which a loss has risen again
CLEARLY = 4.0  # standard errors


def main_losses(facts: ProcessorFacts) -> LossSeries | None:
    """The series with most values; the mean of each step."""
    if not facts.losses:
        return None
    longest = max(facts.losses, key=lambda series: len(series.values))
    sums: dict[int, list[float]] = {}
    for step, value in zip(longest.steps, longest.values, strict=True):
        sums.setdefault(step, []).append(math.nan if value is None else value)
    means = {step: sum(values) / len(values) for step, values in sums.items()}
    values = [None if math.isnan(value) else value for value in means.values()]
    return LossSeries(where=longest.where, steps=list(means), values=values)


def points(series: LossSeries) -> list[tuple[int, float]]:
    return [(step, v) for step, v in zip(series.steps, series.values, strict=True) if v is not None]


def trend_of(series: LossSeries, gate: LearningGate) -> LossTrend | None:
    found = points(series)
    return loss_trend(found, gate.max_loss_spike) if len(found) >= 2 else None


def rises_again(series: LossSeries) -> tuple[float, float] | None:
    """Lowest and last mean of a loss that lost again much of what it had gained, beyond its noise; else None."""
    values = [loss for _, loss in points(series)]
    width = max(8, len(values) // 8)
    if len(values) < FEWEST_TO_RETURN:
        return None
    sums = [0.0, *accumulate(values)]
    means = [(sums[at + width] - sums[at]) / width for at in range(len(values) - width + 1)]
    lowest, end, first = min(means), means[-1], median(values[:3])
    error = scatter(range(len(values)), values) * math.sqrt(2 / width)
    lost = end - lowest
    return (lowest, end) if lost > MUCH_LOST * (first - lowest) > 0 and lost > CLEARLY * error else None


def first_pass_falls(facts: ProcessorFacts, gate: LearningGate) -> bool:
    """Whether the loss fell while every sample was seen for the first time."""
    series = main_losses(facts)
    if series is None:
        return False
    train = [one for one in facts.data.loaders if one.role == "train" and one.length]
    once = train[0].length if train else None
    seen = [(step, loss) for step, loss in points(series) if once is None or step < once]
    if len(seen) < 4:
        seen = points(series)
    return len(seen) >= 2 and loss_trend(seen, gate.max_loss_spike).falls


def memorised_fall(facts: ProcessorFacts) -> float | None:
    """Share by which the loss of the repeated batch fell; negative: it rose. None: not tried long enough."""
    per_step = _per_step(facts)
    losses = [math.inf if loss is None else loss for loss in facts.memorised.losses[SETTLES * per_step :]]
    if len(losses) < 6 * per_step:
        return None
    few = max(per_step, len(losses) // 6)
    start, end = sum(losses[:few]) / few, sum(losses[-few:]) / few
    if not (math.isfinite(start) and math.isfinite(end)):
        return -math.inf
    return (start - end) / max(abs(start), 1e-12)


def falls_steadily(facts: ProcessorFacts) -> bool:
    """Whether the loss of the repeated batch went down from nearly every step to the next, however little."""
    per_step = _per_step(facts)
    losses = [loss for loss in facts.memorised.losses[SETTLES * per_step :: per_step] if loss is not None]
    downs = [later < earlier for earlier, later in pairwise(losses)]
    return (
        len(downs) >= 6 and sum(downs) >= STEADY * len(downs) and losses[0] - losses[-1] > LEAST_FALL * abs(losses[0])
    )


def _per_step(facts: ProcessorFacts) -> int:
    return max(1, round(max((one.backwards_per_step for one in facts.optimizers), default=1.0)))


def against_frequencies(facts: ProcessorFacts) -> tuple[float, float, float, float] | None:
    """First, highest and last cross-entropy, and that of always answering with the classes' frequencies.

    None: no classification, or several losses, or too few values.
    """
    calls = [call for call in facts.loss_calls if call.function == "cross_entropy" and call.class_counts]
    values = [value for value in calls[0].values if math.isfinite(value)] if len(calls) == 1 else []
    if len(facts.loss_calls) != 1 or len(values) < 4:
        return None
    counts = Counter(calls[0].class_counts)
    total = sum(counts.values())
    entropy = -sum(n / total * math.log(n / total) for n in counts.values())
    return values[0], max(values), median(values[-max(3, len(values) // 5) :]), entropy
