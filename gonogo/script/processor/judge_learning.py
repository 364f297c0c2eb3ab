"""Does the loss do what it should over the few steps? Each test gives its check and the cause that it names."""

from __future__ import annotations

import math
from itertools import pairwise

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.findings import DIVERGING, LOSS, UNDERTRAINED, CheckAndCause, at, bad, good, skipped, unknown
from gonogo.learning.loss_trend import LossTrend
from gonogo.script.processor.facts import MORE_THAN_TENSORS, ProcessorFacts
from gonogo.script.processor.judging import Test, takes_turns
from gonogo.script.processor.trend import (
    against_frequencies,
    falls_steadily,
    main_losses,
    memorised_fall,
    points,
    rises_again,
    trend_of,
)  # fmt: skip
from gonogo.verdict import Status

CONVERGED = 0.02  # of the first loss: where a batch has so little left, it need not fall
WORSE_THAN_FREQUENCIES = 1.25
EARLY = 20  # steps, below which a loss that rose may still come down
BACK = 0.95
ROSE = 1.4  # highest over first cross-entropy; of an untrained model a single batch is within 1.2
EXPLODED = 100.0  # gradient norm, end over start
FEWEST = 4
VANISHED = 1e-6  # gradient norm of the first module over the largest
LOWER = "Lower the learning rate by 10 or more, or warm it up longer; clip gradients."

JUMPY = 3  # times the change a step: of a loss that falls or rises steadily it is 1


def finite(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    title, found = "Losses and gradients are numbers", facts.not_finite
    if found is None:
        return good("finite", title) if facts.losses else None
    where = f"at step {found.step + 1}{at(found.where)}"
    batch = f", {found.batch}" if found.batch else ""
    name = f"`{found.name}`"
    why = {
        "input": f"{found.kind} comes with the data, in {name} {where}{batch}",
        "parameter": f"{name} holds {found.kind} {where}: the step before it spoilt the weights",
        "module": f"{found.kind} begins in the output of {name}, {where}{batch}",
        "loss": f"{found.kind} begins after the last module, in the loss, {where}{batch}",
        "gradient": f"{found.kind} begins in the gradient of {name}, {where}{batch}, though the loss was a number",
    }[found.what]
    hint = "Look there for logarithms, roots, divisions and exponentials of values near zero or far from it; "
    hint += "then lower the learning rate by 10."
    return bad(
        "finite", title, found.name or found.what, why, hint, cause="DATA" if found.what == "input" else DIVERGING
    )


def stable(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    """The loss does not explode, nor stay above what a constant answer gives."""
    series, title = main_losses(facts), "Losses do not explode"
    trend = trend_of(series, gate) if series is not None else None
    if series is None or trend is None or trend.values < FEWEST or facts.not_finite is not None:
        return None
    peak, value = max(loss for _, loss in points(series)), round(trend.spike, 2)
    recovered = trend.falls and trend.end < trend.first and trend.fall >= gate.min_telling_fall
    went = f"the loss rose from {trend.first:.4g} to {peak:.4g}, and ends at {trend.end:.4g}"
    fall, plain, why = memorised_fall(facts), against_frequencies(facts), ""
    if trend.spike > gate.max_loss_explosion or (trend.spike > gate.max_loss_spike and not recovered):
        why = went
    elif plain is not None and _worse_than_frequencies(*plain):
        why = f"cross-entropy rose from {plain[0]:.3g} to {plain[1]:.3g} and ends at {plain[2]:.3g}: worse than always "
        why += f"answering with the frequencies of the classes ({plain[3]:.3g})"
    elif trend.rises and not takes_turns(facts) and (fall is None or fall < gate.min_batch_fall):
        why = f"{went}: it rises"
    elif not takes_turns(facts) and (again := rises_again(series)) is not None:
        why = f"the loss fell from {trend.first:.4g} to {again[0]:.4g}, and rose again to {again[1]:.4g}"
    if why:
        early = (
            trend.values < EARLY
            and trend.spike <= gate.max_loss_explosion
            and (fall is None or fall >= gate.min_batch_fall)
        )
        status = Status.CAUTION if early else Status.NO_GO
        return bad("stability", title, value, why, LOWER, cause=DIVERGING, status=status)
    return good("stability", title, value)


def _worse_than_frequencies(first: float, peak: float, end: float, frequencies: float) -> bool:
    """It ends above what it was untrained and above that answer, or rose far and has not come below that answer."""
    return end > max(first, WORSE_THAN_FREQUENCIES * frequencies) or (
        peak > ROSE * first and end > max(frequencies, BACK * first)
    )


def falls(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    series, title = main_losses(facts), "Training loss falls, beyond its noise"
    if series is None or takes_turns(facts) or facts.not_finite is not None:
        return None
    trend, alone = trend_of(series, gate), memorised_fall(facts)
    if trend is None or trend.values < FEWEST:
        return unknown(
            "loss_falls", title, "too few steps to tell whether the loss falls", "Give --steps or --minutes more."
        )
    went = f"the loss went {trend.start:.4g} → {trend.end:.4g} in {trend.values} steps"
    value = round(100 * trend.fall, 1)
    if trend.falls:
        return good("loss_falls", title, value, unit="%")
    if trend.end == trend.start == 0:
        return bad("loss_falls", title, value, "the loss is 0 from the first step on", "Look at its targets and masks.",
                   cause=LOSS)  # fmt: skip
    if alone is not None and (alone >= gate.min_batch_fall or falls_steadily(facts)):
        why = f"{went}, within its noise; on one batch alone it falls by {alone:.0%}"
        return bad("loss_falls", title, value, why, "More steps (--steps) tell.", unit="%", status=Status.CAUTION)
    status = Status.CAUTION if alone is None or _cannot_repeat(facts) else Status.NO_GO
    return bad("loss_falls", title, value, f"{went}: it does not fall beyond its noise", _hint(trend), unit="%",
               cause=_cause(alone, gate), status=status)  # fmt: skip


def _cannot_repeat(facts: ProcessorFacts) -> bool:
    """Whether the loss of one batch jumps by more than it changes: the step draws numbers that cannot be repeated."""
    losses = [loss for loss in facts.memorised.losses if loss is not None]
    jumps = sorted(abs(after - before) for before, after in pairwise(losses))
    return bool(jumps) and jumps[len(jumps) // 2] > JUMPY * abs(losses[-1] - losses[0]) / len(jumps)


def _hint(trend: LossTrend) -> str:
    return "Another learning rate, or more steps (--steps); then look at the data and the loss."


def _cause(alone: float | None, gate: LearningGate) -> str:
    if alone is not None and alone < -gate.min_batch_fall:
        return DIVERGING
    return UNDERTRAINED if alone is not None and 0 < alone < gate.min_batch_fall else LOSS


def one_batch(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    """The script's own step on one batch, the same random numbers each time: nothing hides that its loss falls."""
    title, fall = "One batch again and again: its loss falls", memorised_fall(facts)
    if fall is None or facts.not_finite is not None:
        return None
    shown, threshold = (round(100 * fall, 1) if math.isfinite(fall) else None), f">= {gate.min_batch_fall:.0%}"
    first, last = facts.memorised.losses[0], facts.memorised.losses[-1]
    if fall >= gate.min_batch_fall or falls_steadily(facts):
        return good("one_batch", title, shown, unit="%", threshold=threshold)
    series = main_losses(facts)
    trend = trend_of(series, gate) if series is not None else None
    learned = trend is not None and trend.falls
    began = next((value for value in series.values if value is not None), None) if series is not None else None
    if learned and began and first is not None and abs(first) <= CONVERGED * abs(began):
        return good("one_batch", title, shown, unit="%", threshold=f"{threshold}, or little left to fall")
    what = "rises" if fall < -gate.min_batch_fall else "stands still"
    why = f"one batch {len(facts.memorised.losses)} times, and its loss {what} ({_shown(first)} → {_shown(last)})"
    if learned:
        return bad("one_batch", title, shown, f"{why}, though it fell before", "The learning rate may be at its limit.",
                   unit="%", status=Status.CAUTION)  # fmt: skip
    early = what == "rises" and trend is not None and trend.values < EARLY
    cause, status = DIVERGING if what == "rises" else LOSS, Status.CAUTION if early else Status.NO_GO
    hint = (
        LOWER
        if what == "rises"
        else "Outputs, loss, gradients and optimizer are not connected, or the rate is far too small."
    )
    return bad("one_batch", title, shown, why, hint, unit="%", cause=cause, threshold=threshold, status=status)


def _shown(loss: float | None) -> str:
    return "NaN" if loss is None else f"{loss:.4g}"


def norms(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    """Gradient norms: exploding over the steps; vanishing towards the input."""
    title, known = "Gradient norms", {n: v for n, v in facts.parameters.gradient_norms.items() if math.isfinite(v)}
    if len(known) < 2 or facts.not_finite is not None:
        return None
    first = facts.parameters.first_gradient_norms
    grown = [name for name, v in known.items() if v > EXPLODED * max(first.get(name, v), 1e-30) > 0]
    if grown:
        why = f"the gradient of `{grown[0]}` grew from {first[grown[0]]:.2g} to {known[grown[0]]:.2g}"
        return bad("gradient_norms", title, known[grown[0]], why, LOWER, cause=DIVERGING, status=Status.CAUTION)
    name, norm = min(known.items(), key=lambda item: item[1])
    largest = max(known.values())
    if 0 < norm < VANISHED * largest and name == next(iter(known)):
        why = f"the gradient vanishes on its way to `{name}`: {norm:.1g}, against {largest:.1g} elsewhere"
        return bad("gradient_norms", title, norm, why, "Normalise, use residuals or other activations.",
                   status=Status.CAUTION)  # fmt: skip
    return good("gradient_norms", title, float(f"{largest:.2g}"))


def validation(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    title = "First validation"
    if facts.reached.validation is None:
        return skipped("validation_reached", title, f"not within {facts.steps} steps") if facts.steps else None
    return good("validation_reached", title, f"reached after {facts.reached.validation} steps")


def checkpoint(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    title, reached = "First checkpoint, and loading it", facts.reached
    if reached.checkpoint is None:
        return skipped("checkpoint_reached", title, f"not within {facts.steps} steps") if facts.steps else None
    value = f"after {reached.checkpoint} steps{f', {reached.reload}' if reached.reload else ''}"
    if reached.reload == MORE_THAN_TENSORS:
        return bad("checkpoint_reached", title, value, f"the file{at(reached.checkpoint_where)} holds objects that "
                   "torch.load refuses by default", "Save plain tensors, numbers and strings; or load it with "
                   "weights_only=False.", status=Status.CAUTION)  # fmt: skip
    if reached.reload and reached.reload != "loaded":
        return bad("checkpoint_reached", title, value, f"the file{at(reached.checkpoint_where)} cannot be loaded: "
                   f"{reached.reload}", "Save state_dict()s.")  # fmt: skip
    return good("checkpoint_reached", title, value)


TESTS: tuple[Test, ...] = (finite, stable, one_batch, falls, norms, validation, checkpoint)
