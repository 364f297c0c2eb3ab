"""Are model, loss and optimizer connected as they should be? Each test gives its check and the cause that it names."""

from __future__ import annotations

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning import optimizer_checks
from gonogo.learning.findings import CheckAndCause, at, bad, good, listed
from gonogo.script.processor.facts import ProcessorFacts
from gonogo.script.processor.judging import Test
from gonogo.verdict import Status

WITHOUT = 0.5  # steps without gradients
FEWEST = 3
LARGE_SHARE = 0.1  # of all values, above which dead parameters are grave


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
    if found.unheld and found.twice_held:
        why = f"two optimizers hold `{found.twice_held}`, none holds {listed(found.parts_unheld)}, which never changes"
        return bad("optimizer_holds", title, len(found.unheld), why, "Give each optimizer the module that it is for.",
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


def cleared(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    return optimizer_checks.cleared(facts.optimizers)


def change(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    return optimizer_checks.change(facts.optimizers)


def step_length(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    return optimizer_checks.step_length(facts.optimizers)


def schedule(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    return optimizer_checks.schedule(facts.optimizers, facts.schedulers)


TESTS: tuple[Test, ...] = (order, held, gradients, cleared, schedule, change, step_length)
AFTER: tuple[Test, ...] = (frozen,)
