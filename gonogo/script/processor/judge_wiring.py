"""Are model, loss and optimizer connected as they should be? Each test gives its check and the cause that it names."""

from __future__ import annotations

from statistics import median

from gonogo.config.gate_thresholds import LearningGate
from gonogo.script.processor.facts import OptimizerFacts, ProcessorFacts
from gonogo.script.processor.judging import UNDERTRAINED, CheckAndCause, Test, at, bad, good, listed
from gonogo.verdict import Status

MOST_STALE = 0.5  # windows between steps in which gradients were never cleared
WITHOUT = 0.5  # steps without gradients
FEWEST = 3
NO_CHANGE = 1e-6  # |change| / |weights| of a step
LARGE_SHARE = 0.1  # of all values, above which dead parameters are grave
LR_GONE = 0.01  # of its highest value
LR_GONE_STEPS = 0.3


def gradients(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    """Parameters that never got a gradient."""
    found, title = facts.parameters, "Parameters without a gradient"
    if not found.total or facts.modes.backward_without_graph:
        return None
    missing = found.unreached
    looked_at = max((len(one.norms) for one in facts.optimizers), default=facts.steps)
    if looked_at < 2:
        return None
    if not missing:
        return good("gradients", title, 0, unit=f"of {found.total}")
    dead = [one for one in missing if one.called and one.zero]
    cut = [one for one in missing if one.called and not one.zero]
    values = sum(one.values for one in (cut or dead)) / max(1, found.values)
    modules = list(dict.fromkeys(one.module for one in cut or dead or missing))
    if cut:
        why = f"no gradient ever reaches {listed(modules)}, though the forward pass goes through it: "
        why += f"{len(cut)} of {found.total} parameters never learn"
        hint = "Look for detach(), .data, .item(), numpy() or no_grad after it, or for an output the loss leaves out."
        return bad("gradients", title, len(missing), why, hint, unit=f"of {found.total}")
    if dead:
        why = f"the gradient of {listed(modules)} is zero in every value at every step: nothing passes through it"
        hint = "Units that are all negative before a ReLU, saturated, or multiplied by zero: look at its outputs."
        status = Status.NO_GO if values > LARGE_SHARE else Status.CAUTION
        return bad("gradients", title, len(missing), why, hint, unit=f"of {found.total}", status=status)
    why = f"{listed(modules)} took no part in any training step, {len(missing)} of {found.total} parameters"
    hint = "Right for a head that another stage uses; otherwise it is missing from forward()."
    return bad("gradients", title, len(missing), why, hint, unit=f"of {found.total}", status=Status.CAUTION)


def held(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    """Parameters that get gradients and are in no optimizer."""
    found, title = facts.parameters, "Parameters that no optimizer holds"
    if not found.total or not facts.optimizers:
        return None
    partly = [one for one in found.unheld if one.part not in found.parts_unheld]
    if partly:
        why = f"{listed([one.name for one in partly])}: gradients are computed and no optimizer holds them, so they "
        why += "never change"
        hint = "Hand all of model.parameters() to the optimizer, made after the last layer was added or replaced; "
        return bad("optimizer_holds", title, len(partly), why, hint + "what is meant to stay: requires_grad_(False).",
                   unit=f"of {found.total}")  # fmt: skip
    if found.unheld:
        why = f"{listed(found.parts_unheld)} gets gradients and is in no optimizer: it never changes"
        return bad("optimizer_holds", title, len(found.unheld), why,
                   "If it is meant to stay as it is: requires_grad_(False) saves the work; else add it.",
                   unit=f"of {found.total}", status=Status.CAUTION)  # fmt: skip
    return good("optimizer_holds", title, 0, unit=f"of {found.total}")


def frozen(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    found, title = facts.parameters.frozen_held, "Frozen parameters that an optimizer holds"
    if not facts.parameters.total or not facts.optimizers:
        return None
    if not found:
        return good("frozen", title, 0)
    why = f"{listed([one.name for one in found])} {'has' if len(found) == 1 else 'have'} requires_grad=False and "
    why += "will not change, though an optimizer holds them"
    return bad("frozen", title, len(found), why, "Right if they are frozen on purpose; else requires_grad_(True).",
               unit=f"of {facts.parameters.total}", status=Status.CAUTION)  # fmt: skip


def cleared(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    title, working = "Gradients are zeroed between steps", [o for o in facts.optimizers if o.windows >= FEWEST]
    for one in working:
        if one.stale_windows / one.windows > MOST_STALE:
            why = (
                f"the gradients of {one.name}{at(one.where)} were never zeroed in {one.stale_windows} of {one.windows} "
            )
            why += "steps: each step repeats all earlier gradients"
            return bad("zero_grad", title, f"{one.stale_windows} of {one.windows} not", why,
                       "Call optimizer.zero_grad() once for each step.")  # fmt: skip
    return good("zero_grad", title) if working else None


def order(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    """Steps that find no gradients."""
    title = "Steps find gradients"
    for one in facts.optimizers:
        if one.steps < FEWEST or one.without_gradients / one.steps < WITHOUT:
            continue
        value = f"{one.without_gradients} of {one.steps} without"
        if one.zeroed_before_step > one.without_gradients / 2:
            why = f"zero_grad{at(one.zero_where)} runs between backward and step: {one.name} finds no gradients"
            hint = "Order: zero_grad, forward, backward, step."
        elif one.step_before_backward > one.without_gradients / 2:
            why = f"{one.name}.step{at(one.where)} runs before the backward pass of its batch and finds no gradients"
            hint = "Order: zero_grad, forward, backward, step."
        else:
            why = f"no parameter of {one.name}{at(one.where)} ever gets a gradient: its steps do nothing"
            hint = (
                "Is it the optimizer of this model? One made before the model was replaced or copied holds the old one."
            )
        return bad("step_order", title, value, why, hint)
    return good("step_order", title) if facts.optimizers else None


def change(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    """Weights that the steps do not move."""
    title = "Change of the weights a step"
    for one in facts.optimizers:
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
    working = [_typical(o.changes) for o in facts.optimizers if o.changes]
    return (
        good("weight_change", title, float(f"{max(working):.2g}"), threshold=f">= {NO_CHANGE:g}") if working else None
    )


def _typical(changes: list[float]) -> float:
    """The larger median of the first and the last quarter: one may be warm-up, the other an end that is found."""
    few = max(FEWEST, len(changes) // 4)
    return max(median(changes[:few]), median(changes[-few:]))


def _warming_up(one: OptimizerFacts) -> bool:
    rates = one.learning_rates
    return len(rates) > 1 and rates[-1] > 1.02 * rates[0] and rates[-1] == max(rates)


def schedule(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    title = "Learning rate over the steps"
    for one in facts.optimizers:
        rates = [rate for rate in one.learning_rates if rate == rate]  # noqa: PLR0124
        if len(rates) < FEWEST or max(rates) <= 0:
            continue
        after = rates[rates.index(max(rates)) :]
        low = sum(rate < LR_GONE * max(rates) for rate in after)
        if low / len(rates) >= LR_GONE_STEPS:
            scheduler = facts.schedulers[0] if facts.schedulers else None
            by = f"{scheduler.name}{at(scheduler.where)} stepped {scheduler.steps} times" if scheduler else ""
            why = f"the learning rate of {one.name} fell from {max(rates):g} to {rates[-1]:g} within {len(rates)} steps"
            return bad("schedule", title, rates[-1], f"{why}; {by}" if by else why,
                       "A schedule by epochs must step once an epoch, or be made for the number of batches.",
                       cause=UNDERTRAINED)  # fmt: skip
    early = [one for one in facts.schedulers if one.before_first_optimizer_step]
    if early and facts.steps >= FEWEST:
        why = f"{early[0].name}{at(early[0].where)} stepped before the optimizer: the first rate is never used"
        return bad("schedule", title, None, why, "Call scheduler.step() after optimizer.step().", status=Status.CAUTION)
    return good("schedule", title) if facts.schedulers else None


TESTS: tuple[Test, ...] = (order, held, gradients, cleared, schedule, change)
AFTER: tuple[Test, ...] = (frozen,)
