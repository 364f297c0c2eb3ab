"""Checks of the learning gate on what steps were given and did: facts, each with its cause, and no statistics."""

from __future__ import annotations

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning import loss_call_checks, optimizer_checks
from gonogo.learning.derived import learned
from gonogo.learning.findings import DATA, LEAKAGE, WIRING, CheckAndCause, bad, good
from gonogo.learning.measurements import Measurements, number
from gonogo.verdict import Status

FEWEST_BATCHES = 5  # to say that they are all the same
FITS_IN_TRAINING = 4  # times worse in eval mode than with the batch's own statistics
FAR_APART = 5.0  # standard deviations of a frozen batch norm
WITHERED = 0.5  # of the weights' norm, below which weight decay has taken it
DECAYED = 0.5  # learning rate times weight decay, summed over the steps: what decay alone leaves is exp(-that)
SEES_AHEAD = 1e-3
COPIED_TOKENS, NEXT_TOKENS = 0.95, 0.9


def loss_input(measured: Measurements, gate: LearningGate) -> CheckAndCause | None:
    return loss_call_checks.loss_input(measured.one_batch.loss_calls) if measured.one_batch else None


def shapes(measured: Measurements, gate: LearningGate) -> CheckAndCause | None:
    return loss_call_checks.shapes(measured.one_batch.loss_calls) if measured.one_batch else None


def targets(measured: Measurements, gate: LearningGate) -> CheckAndCause | None:
    one = measured.one_batch
    if one is None or one.explained.check == "last_batch":
        return None
    return loss_call_checks.targets(one.loss_calls, one.explained)


def last_batch(measured: Measurements, gate: LearningGate) -> CheckAndCause | None:
    one, run = measured.one_batch, measured.run
    if one is None:
        return None
    if one.explained.check == "last_batch":
        return bad("last_batch", "No batch of one before a batch norm", 1, one.explained.why, one.explained.hint,
                   cause=DATA)  # fmt: skip
    if run is None:
        return None
    return loss_call_checks.last_batch(one.batch_norm_alone, run.items, run.batch_size, run.drop_last)


def cleared(measured: Measurements, gate: LearningGate) -> CheckAndCause | None:
    return optimizer_checks.cleared(measured.run.optimizers) if measured.run else None


def same_batch(measured: Measurements, gate: LearningGate) -> CheckAndCause | None:
    run, data = measured.run, measured.data
    if run is None or data is None or run.batches < FEWEST_BATCHES or not data.inputs_vary:
        return None
    if (run.items or 0) <= (run.batch_size or 1) or (data.distinct_samples or 0) * data.train_samples < FEWEST_BATCHES:
        return None
    title, value = "Batches differ from each other", f"{run.distinct_batches} of {run.batches} distinct"
    if run.distinct_batches > 1:
        return good("same_batch", title, value)
    why = f"the model got one and the same batch in {run.batches} steps, and the loader gives others"
    hint = "Look at what happens to the batch between loader and model: one is kept, or iter(loader) starts again."
    return bad("same_batch", title, value, why, hint, cause=DATA)


def weight_change(measured: Measurements, gate: LearningGate) -> CheckAndCause | None:
    return optimizer_checks.change(measured.run.optimizers) if measured.run else None


def schedule(measured: Measurements, gate: LearningGate) -> CheckAndCause | None:
    """A rate that is gone early is no fault of a model that has learned."""
    found = optimizer_checks.schedule(measured.run.optimizers, ()) if measured.run else None
    return None if found is not None and learned(measured, gate) else found


def weight_decay(measured: Measurements, gate: LearningGate) -> CheckAndCause | None:
    run = measured.run
    if run is None or run.weights_left is None:
        return None
    title, left = "Weights that weight decay leaves", round(run.weights_left, 3)
    decayed = max((one.weight_decay * sum(one.learning_rates) for one in run.optimizers), default=0.0)
    if run.weights_left >= WITHERED or decayed < DECAYED:
        return good("weight_decay", title, left, threshold=f">= {WITHERED:g} of their norm")
    worst = max(run.optimizers, key=lambda one: one.weight_decay)
    why = f"a weight decay of {worst.weight_decay:g} has taken the weights to {run.weights_left:.0%} of their norm in "
    why += f"{measured.steps} steps"
    status = Status.CAUTION if learned(measured, gate) else Status.NO_GO
    hint = "Usual values are 0.01 to 0.1 with AdamW, 1e-4 with SGD."
    return bad("weight_decay", title, left, why, hint, cause=WIRING, status=status,
               threshold=f">= {WITHERED:g} of their norm")  # fmt: skip


def batch_norm(measured: Measurements, gate: LearningGate) -> CheckAndCause | None:
    """One batch is fitted with its own statistics, and not with those that were kept; or frozen ones do not suit."""
    one, title = measured.one_batch, "Batch norms keep the statistics that training has"
    if one is None:
        return None
    apart = {name: far for name, far in one.batch_norms_apart.items() if far > FAR_APART}
    if apart:
        name, far = next(iter(apart.items()))
        why = (
            f"`{name}`, first of {len(apart)}, is frozen with statistics that are not those of its inputs: their means "
        )
        why += f"lie {far:.0f} standard deviations from it"
        status = Status.CAUTION if learned(measured, gate) else Status.NO_GO
        return bad("batch_norm", title, round(far, 1), why, "Normalise inputs as they were when it was trained, or let "
                   "it learn (train()).", status=status)  # fmt: skip
    ratio, of_batch = number(one.ratio), number(one.ratio_of_batch)
    if of_batch is None:
        return None
    kept = ratio is not None and (ratio <= gate.max_overfit_ratio or ratio < FITS_IN_TRAINING * of_batch)
    if kept or of_batch > 1 or learned(measured, gate):
        return good("batch_norm", title, None if ratio is None else round(ratio, 3))
    why = f"one batch alone leaves {of_batch:.2f} of its variance with the batch's own statistics, and "
    left = "NaN" if ratio is None else f"{ratio:.2f}"
    why += f"{left} in eval mode: what batch norms keep is not what they see"
    hint = "Look at their momentum (0 keeps nothing), at batches of a few samples, and at who calls eval() or copies."
    return bad("batch_norm", title, None if ratio is None else round(ratio, 3), why, hint)


def constant_loss(measured: Measurements, gate: LearningGate) -> CheckAndCause | None:
    losses = (measured.first_loss, measured.last_loss, measured.peak_loss)
    if measured.steps < FEWEST_BATCHES or any(loss is None for loss in losses):
        return None
    title = "The loss is not zero throughout"
    if any(losses):
        return good("loss_not_zero", title)
    why = f"the loss is exactly 0 at each of {measured.steps} steps: nothing is compared with anything"
    hint = "Look for targets that are all masked, and for what the loss is multiplied with."
    return bad("loss_not_zero", title, 0, why, hint, cause=WIRING)


def causal(measured: Measurements, gate: LearningGate) -> CheckAndCause | None:
    """Next tokens: neither given as they are, nor seen by attention."""
    data, title = measured.data, "Next tokens are not given away"
    if data is None or data.target_is_input is None:
        return None
    if data.target_is_input >= COPIED_TOKENS and (data.target_is_next or 0) < NEXT_TOKENS:
        why = (
            f"{data.target_is_input:.0%} of the targets are the token that stands at their own place in the input: the "
        )
        why += "model only has to copy it"
        hint = "Shift: targets = tokens[:, 1:], inputs = tokens[:, :-1]; Hugging Face models shift by themselves."
        return bad("next_tokens", title, round(data.target_is_input, 3), why, hint, cause=LEAKAGE)
    ahead = number(measured.looks_ahead)
    if ahead is None:
        return None
    if ahead > SEES_AHEAD:
        why = (
            "next tokens are asked for, and earlier answers change when the last token does: the model sees the answer"
        )
        return bad("next_tokens", title, round(ahead, 3), why, "Give attention its causal mask (is_causal=True).",
                   cause=LEAKAGE)  # fmt: skip
    return good("next_tokens", title, round(ahead, 6))


NO_LONGER_RUN = {"weight_change", "schedule", "weight_decay"}
"""Checks whose NO-GO no further steps would change."""
