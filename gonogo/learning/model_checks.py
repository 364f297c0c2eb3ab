"""Checks of the learning gate on the model: gradients, one batch alone, its input. Each gives its check and cause."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.derived import (
    blind,
    collapsed,
    flat,
    knows_what_it_saw,
    learned,
    lost,
    paired,
    rising,
    shrunk,
    silenced,
    skill_slope,
    unseen,
)
from gonogo.learning.findings import listed
from gonogo.learning.measurements import Gradients, Measurements, number
from gonogo.verdict import Check, Status, threshold_check

FITS = 0.5  # with another learning rate one batch fits: the ratio is below this, and half of what it was
EXPLODED = 100.0  # gradient norm at the end over that at the start
SPIKED = 10.0  # highest loss over the first
FELL, LEFT = 0.2, 0.95  # of one batch alone: its loss, and what is left of its error, that contradict each other
WORSE = 2.0  # held-out error over the greater of: before the first step, predicting the mean
WORSE_NATS = 1.1  # the same of classes
ENDS = 0.1  # share of the steps that is taken for the start and the end


def finite(measured: Measurements, gate: LearningGate) -> tuple[Check, str]:
    check = threshold_check(
        "finite",
        "Loss is a number at every step",
        measured.finite,
        "no NaN, no infinity",
        measured.finite,
        why=measured.stopped,
        hint="Lower the learning rate by 10, and look for logarithms, roots and divisions of values near zero.",
    )
    return check, "DIVERGING"


def connected(measured: Measurements, gate: LearningGate) -> tuple[Check, str] | None:
    """Every module gets gradients and is held by an optimizer."""
    found = _gradients(measured)
    if found is None:
        return None
    missing = [*found.unreached, *found.not_optimized]
    needless = bool(measured.unused) and set(missing) <= set(measured.unused or ()) and learned(measured, gate)
    share = 0.0 if needless else len(missing) / max(1, found.modules)
    grave = share > gate.max_unconnected_share or not (learned(measured, gate) or _fits(measured, gate))
    status = Status.GO if not missing else Status.NO_GO if grave else Status.CAUTION
    cause, why, hint = "WIRING", "", ""
    starved = found.unreached and not found.blocked and (found.starved_first or blind(measured))
    if missing and (starved or unseen(measured)):
        cause = "INPUT IGNORED"
        why = f"`{missing[0]}` reads nothing but zeros: its weight never gets a gradient, what follows it does"
        hint = "Follow the input to that module: it is zeroed or replaced on its way."
    elif needless:
        why = f"{shown(missing)} get no gradient, and the answers do not depend on them: {len(missing)} of "
        why += f"{found.modules} modules are of no use so far"
        hint = "Right for a head of a later stage; otherwise it is missing from forward() or from the loss."
    elif missing:
        which = (found.blocked or found.unreached or found.not_optimized)[0]
        what = "no gradient ever reaches" if found.unreached else "no optimizer holds"
        names = shown([which, *(name for name in missing if name != which)])
        why = f"{what} {names}, {len(missing)} of {found.modules} modules: not connected to the loss"
        if not found.unreached:
            why = f"{what} {names}, {len(missing)} of {found.modules} modules: they never change"
        hint = "Look for detach(), no_grad, an output that the loss does not use, or parameters left out."
    check = Check(
        id="gradients",
        title="Modules that learn nothing",
        value=len(missing),
        unit=f"of {found.modules}",
        threshold=f"<= {gate.max_unconnected_share:.0%}",
        status=status,
        why=why,
        hint=hint,
    )
    return check, cause


def shown(names: Sequence[str]) -> str:
    """`a`, `b` and 4 more."""
    return listed(names, 2)


def _gradients(measured: Measurements) -> Gradients | None:
    """Of the run; where it had no step, of the batch fitted alone."""
    if measured.gradients is not None and measured.gradients.norms:
        return measured.gradients
    return measured.one_batch.gradients if measured.one_batch else measured.gradients


def stable(measured: Measurements, gate: LearningGate) -> tuple[Check, str]:
    """Neither losses nor gradients explode, and what was learned is not lost again."""
    why = _instability(measured, gate)
    norms = [norm for norm in map(number, measured.gradients.norms) if norm is not None] if measured.gradients else []
    size = max(1, int(ENDS * len(norms)))
    value = round(median(norms[-size:]) / max(median(norms[:size]), 1e-30), 3) if norms else None
    check = Check(
        id="stability",
        title="Gradient norm, end over start",
        value=value,
        unit="x",
        threshold=f"<= {EXPLODED:g}; no loss {SPIKED:g} times its first; skill is kept",
        status=Status.NO_GO if why else Status.GO,
        why=why,
        hint="Lower the learning rate by 10 or more, or warm it up longer; clip gradients." if why else "",
    )
    return check, "DIVERGING"


def _instability(measured: Measurements, gate: LearningGate) -> str:
    """What went up that should not; empty where nothing did."""
    trains = knows_what_it_saw(measured, gate)
    gone_wrong = "" if trains else lost(measured, gate) or _worse_than_before(measured)
    if gone_wrong or trains or learned(measured, gate):
        return gone_wrong
    first, peak = number(measured.first_loss), number(measured.peak_loss)
    start = measured.start
    highest = max(evaluation.error or 0 for evaluation in measured.evaluations)
    if start.error and start.error_of_mean and highest > SPIKED * max(start.error, start.error_of_mean):
        return f"held-out error rose to {highest:.3g}, from {start.error:.3g} before the first step"
    if first is not None and peak is not None and first > 0 and peak > SPIKED * first:
        return f"the loss rose to {peak:.3g}, from {first:.3g} at first, and nothing was learned since"
    norms = [norm for norm in map(number, measured.gradients.norms) if norm is not None] if measured.gradients else []
    size = max(1, int(ENDS * len(norms)))
    if norms and median(norms[-size:]) > EXPLODED * max(median(norms[:size]), 1e-30) > 0:
        return f"the gradients grew from {median(norms[:size]):.3g} to {median(norms[-size:]):.3g}"
    return _died(measured)


def _died(measured: Measurements) -> str:
    if silenced(measured):
        return "the outputs no longer depend on the input, as they did before the first step: the network has died"
    return "all samples of the generator have become the same: it has collapsed" if collapsed(measured) else ""


def _worse_than_before(measured: Measurements) -> str:
    """Held-out error far above both what it was untrained and what predicting the mean gives.

    Of classes, whose error grows slowly, less is enough where what was trained on is answered badly, too.
    """
    if len(measured.evaluations) < 2:
        return ""
    start, end = measured.start, measured.end
    if start.error is None or end.error is None or start.error_of_mean is None:
        return ""
    nats = measured.data is not None and not measured.data.quantities
    far = WORSE_NATS if nats and (number(measured.seen_skill) or 0) < -0.1 else WORSE
    if end.error <= far * max(start.error, start.error_of_mean):
        return ""
    return f"held-out error is {end.error:.3g} after {end.step} steps, and was {start.error:.3g} before the first"


def loss_of_outputs(measured: Measurements, gate: LearningGate) -> tuple[Check, str] | None:
    """Asked before stability: a loss that falls while the error stays or grows is of something else."""
    one, value = measured.one_batch, measured.overfit_ratio
    if one is None or one.rose or value is None or value < LEFT or (one.loss_fell or 0) < FELL:
        return None
    if not paired(measured) and value <= (number(one.first_ratio) or 0):  # a loss against an opponent falls anyhow
        return None
    fitted = one.other_rate is not None and _fits_otherwise(one.other_ratio, value)
    at_first = number(one.first_ratio)
    both_fell = at_first is not None and value < (1 - FELL) * at_first  # to what predicting the mean gives
    if learned(measured, gate) or fitted or both_fell or blind(measured):
        return None
    why = f"one batch alone: its loss fell by {one.loss_fell:.0%}, and {value:.2f} of its variance is left"
    check = Check(
        id="loss_of_outputs", title="One batch: its error falls with its loss", value=round(value, 3),
        threshold=f"< {LEFT:g} where the loss fell by {FELL:g}", status=Status.NO_GO,
        why=f"{why}: the loss is of something else than the answers",
        hint="Compare the shapes of outputs and targets at the loss ((N, 1) with (N,) is (N, N)), its sign, the weight "
        "of its other terms, and what is done to the outputs after it.",
    )  # fmt: skip
    return check, "WIRING"


def one_batch(measured: Measurements, gate: LearningGate) -> tuple[Check, str]:
    title, threshold = "One batch fitted alone, error / variance", f"<= {gate.max_overfit_ratio}"
    value = measured.overfit_ratio
    if value is None and not (measured.one_batch and measured.one_batch.rose):
        return threshold_check("overfit_one_batch", title, None, threshold, None, why="not measured"), ""
    status, cause, why, hint = _judged(measured, gate, value)
    shown = None if value is None else round(value, 4)
    check = Check(
        id="overfit_one_batch", title=title, value=shown, threshold=threshold, status=status, why=why, hint=hint
    )
    return check, cause


def _judged(measured: Measurements, gate: LearningGate, value: float | None) -> tuple[Status, str, str, str]:
    """Status, cause, why and hint of the batch that was fitted alone."""
    one = measured.one_batch
    left = "its loss is NaN or infinite" if value is None else f"{value:.2f} of its variance is left"
    start = f"one batch alone is not fitted ({left})"
    more = "its loss still falls" if paired(measured) else "a generator's loss does not say how far it is"
    if _fits(measured, gate):
        return Status.GO, "", "", ""
    if learned(measured, gate):
        hint = "Give smoke.overfit_steps more, or the gate a threshold of its own."
        return Status.CAUTION, "", f"{start}, though the model has skill on held-out items", hint
    if one and one.other_rate is not None and _fits_otherwise(one.other_ratio, value):
        with_it = (
            f"{start}, but with a learning rate {one.other_rate:g} times as large it is ({one.other_ratio:.2f} left)"
        )
        if one.other_rate < 1:
            cause, why = "DIVERGING", f"{with_it}: the rate is too large"
            hint = f"Set the learning rate to {one.other_rate:g} of what it is."
        else:
            cause, why = "UNDERTRAINED", f"{with_it}: the rate is too small"
            hint = f"Raise the learning rate, by up to {one.other_rate:g} times."
    elif one and one.rose:
        cause, why, hint = "DIVERGING", f"{start}: its loss rose", "Lower the learning rate by 10 or more."
    elif (
        one
        and (one.falling or not paired(measured))
        and not (one.gradients.unreached or one.gradients.not_optimized or blind(measured))
    ):
        cause, why = "UNDERTRAINED", f"{start}, and {more}: gradients reach every module"
        hint = "Give smoke.overfit_steps more, or raise the learning rate."
    elif blind(measured) or _answers_with_the_mean(measured, gate):
        cause, why = "INPUT IGNORED", f"{start} better than by its mean: the model does not see its input"
        hint = "Follow the input into the model: it is zeroed on its way, or unused."
    else:
        cause = "WIRING"
        why = f"the model cannot even fit one batch ({left}): loss, targets or gradients are not connected"
        hint = "Check that the loss sees the outputs, and that gradients reach the weights."
    return Status.NO_GO, cause, why, hint


def _fits(measured: Measurements, gate: LearningGate) -> bool:
    value = measured.overfit_ratio
    return value is not None and value <= gate.max_overfit_ratio


def _fits_otherwise(ratio: float | None, value: float | None) -> bool:
    return ratio is not None and ratio < FITS and (value is None or ratio < value / 2)


def _answers_with_the_mean(measured: Measurements, gate: LearningGate) -> bool:
    """Whether the model learned the mean and nothing of its input: it is wired, but it cannot see."""
    with_input, without = number(measured.end.skill), number(measured.end.skill_without_input)
    if with_input is None or without is None or (number(measured.end.output_change) or 0) > gate.min_input_skill:
        return False
    return abs(with_input) < gate.min_skill and with_input - without < gate.min_input_skill


def input_used(measured: Measurements, gate: LearningGate) -> tuple[Check, str] | None:
    """Asked of a model that has learned something, of one whose outputs do not move, and of one that stands still."""
    if not paired(measured):
        return None
    title, threshold = "Skill lost when the input is zeroed", f">= {gate.min_input_skill}"
    with_input, without = number(measured.end.skill), number(measured.end.skill_without_input)
    if with_input is None or without is None:
        return threshold_check("input_used", title, None, threshold, None, why="not measured"), ""
    lost = with_input - without
    why = f"zeroing the input costs only {lost:.2f} skill: the model ignores its input"
    if blind(measured):
        last = f", not beyond `{measured.modules_that_see[-1]}`" if measured.modules_that_see else ""
        why = f"the outputs are the same with and without the input: it does not reach them{last}"
    check = threshold_check(
        "input_used",
        title,
        round(lost, 4),
        threshold,
        not blind(measured) and (lost >= gate.min_input_skill or not _settled(measured, gate)),
        why=why,
        hint="Check that the input reaches the model, and that inputs and targets are paired.",
    )
    return check, "INPUT IGNORED"


def _settled(measured: Measurements, gate: LearningGate) -> bool:
    """Whether it is late enough to ask what the input is good for; a model finds the mean before it finds more."""
    slope = skill_slope(measured)
    if slope is None or slope.low == float("-inf"):
        return False
    if learned(measured, gate):
        return not (rising(measured) or shrunk(measured))
    return (
        flat(measured) and not (number(measured.end.own_input_gain) or 0) > 0 and _answers_with_the_mean(measured, gate)
    )
