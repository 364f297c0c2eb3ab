"""Do optimizers get fresh gradients, and do their steps move the weights? Asked of scripts and of other training."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from gonogo.learning.findings import UNDERTRAINED, CheckAndCause, at, bad, good
from gonogo.learning.optimizer_facts import OptimizerFacts, SchedulerFacts
from gonogo.verdict import Status

MOST_STALE = 0.5  # windows between steps in which gradients were never cleared
WITHOUT = 0.5  # steps without gradients
FEWEST = 3
NO_CHANGE = 1e-6  # |change| / |weights| of a step
SHORT_STEP = 0.1  # of Adam's learning rate, by which no step moves a weight; the first of a healthy run moves it by 1
LR_GONE = 0.01  # of its highest value
LR_GONE_STEPS = 0.3


def cleared(optimizers: Sequence[OptimizerFacts]) -> CheckAndCause | None:
    title, working = "Gradients are zeroed between steps", [o for o in optimizers if o.windows >= FEWEST]
    for one in working:
        if one.stale_windows / one.windows > MOST_STALE:
            why = (
                f"the gradients of {one.name}{at(one.where)} were never zeroed in {one.stale_windows} of {one.windows} "
            )
            why += "steps: each step repeats all earlier gradients"
            return bad("zero_grad", title, f"{one.stale_windows} of {one.windows} not", why,
                       "Call optimizer.zero_grad() once for each step.")  # fmt: skip
    return good("zero_grad", title) if working else None


def change(optimizers: Sequence[OptimizerFacts]) -> CheckAndCause | None:
    """Weights that the steps do not move."""
    title = "Change of the weights a step"
    for one in optimizers:
        moved = [c for c in one.changes if c == c]  # noqa: PLR0124
        if one.steps < FEWEST or not moved or one.without_gradients / one.steps >= WITHOUT:
            continue
        typical, rate = _typical(moved), one.learning_rates[-1] if one.learning_rates else 0.0
        if typical >= NO_CHANGE or _warming_up(one):
            continue
        why = f"a step of {one.name}{at(one.where)} changes the weights by {typical:.1g} of their size, "
        why += f"with a learning rate of {rate:g}: they stay as they are"
        return bad("weight_change", title, typical, why, "Raise the learning rate; look at the scheduler.",
                   cause=UNDERTRAINED, threshold=f">= {NO_CHANGE:g}")  # fmt: skip
    working = [_typical(o.changes) for o in optimizers if o.changes]
    return (
        good("weight_change", title, float(f"{max(working):.2g}"), threshold=f">= {NO_CHANGE:g}") if working else None
    )


def step_length(optimizers: Sequence[OptimizerFacts]) -> CheckAndCause | None:
    """Steps of Adam that are far shorter than its learning rate, as all gradients are near its eps."""
    title, working = "Steps are as long as the learning rate says", [o for o in optimizers if len(o.moves) >= FEWEST]
    for one in working:
        longest = max(one.moves)
        if longest >= SHORT_STEP or one.without_gradients / one.steps >= WITHOUT:
            continue
        norms = [norm for norm in one.norms if norm]
        why = f"no step of {one.name}{at(one.where)} moves weights by more than {longest:.1%} of the learning rate: "
        why += "gradients are near its eps" + (f", of norm {median(norms):.1g}" if norms else "")
        hint = "Look at the limit of clip_grad_norm_ (1.0 is usual), or at what the loss is multiplied or divided by."
        return bad("step_length", title, round(longest, 4), why, hint, cause=UNDERTRAINED,
                   threshold=f">= {SHORT_STEP:g} of the rate")  # fmt: skip
    return good("step_length", title, round(max(max(o.moves) for o in working), 2)) if working else None


def _typical(changes: list[float]) -> float:
    """The larger median of the first and the last quarter: one may be warm-up, the other an end that is found."""
    few = max(FEWEST, len(changes) // 4)
    return max(median(changes[:few]), median(changes[-few:]))


def _warming_up(one: OptimizerFacts) -> bool:
    rates = one.learning_rates
    return len(rates) > 1 and rates[-1] > 1.02 * rates[0] and rates[-1] == max(rates)


def schedule(optimizers: Sequence[OptimizerFacts], schedulers: Sequence[SchedulerFacts]) -> CheckAndCause | None:
    title = "Learning rate over the steps"
    for one in optimizers:
        rates = [rate for rate in one.learning_rates if rate == rate]  # noqa: PLR0124
        if len(rates) < FEWEST or max(rates) <= 0:
            continue
        after = rates[rates.index(max(rates)) :]
        low = sum(rate < LR_GONE * max(rates) for rate in after)
        if low / len(rates) >= LR_GONE_STEPS:
            scheduler = schedulers[0] if schedulers else None
            by = f"{scheduler.name}{at(scheduler.where)} stepped {scheduler.steps} times" if scheduler else ""
            why = f"the learning rate of {one.name} fell from {max(rates):g} to {rates[-1]:g} within {len(rates)} steps"
            return bad("schedule", title, rates[-1], f"{why}; {by}" if by else why,
                       "A schedule by epochs must step once an epoch, or be made for the number of batches.",
                       cause=UNDERTRAINED)  # fmt: skip
    early = [one for one in schedulers if one.before_first_optimizer_step]
    if early and max((one.steps for one in optimizers), default=0) >= FEWEST:
        why = f"{early[0].name}{at(early[0].where)} stepped before the optimizer: the first rate is never used"
        return bad("schedule", title, None, why, "Call scheduler.step() after optimizer.step().", status=Status.CAUTION)
    return good("schedule", title) if schedulers else None
