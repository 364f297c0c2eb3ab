"""Checks of the learning gate on how far training has come. Each gives its check and the cause that it names."""

from __future__ import annotations

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.derived import ALIKE, collapsed, falling, learned, rising, shrunk, skill_slope
from gonogo.learning.ema import MAX_INITIAL_SHARE
from gonogo.learning.measurements import Measurements, number
from gonogo.learning.trend import converged
from gonogo.verdict import Check, Status, threshold_check

GAINED = 0.01  # skill since before the first step, below which a model that had some has not been trained
HOLD_OUT_MORE = "Hold out more items."
LOOK_AT_THE_RATE = "Right for a trained model in few steps; otherwise look at the learning rate, and at what is frozen."


def outputs(measured: Measurements, gate: LearningGate) -> tuple[Check, str] | None:
    """Mean and spread of the outputs; of classes skill alone says it.

    Small spread alone is a warning where the model has skill: of a noisy target only so much can be predicted. Then
    targets lie about the outputs with slope 1 (`calibration`); where it is larger, the outputs still grow.
    """
    if measured.data is not None and not measured.data.quantities:
        return None
    low, high = gate.output_mean_range
    title, threshold = "Outputs against targets, mean", f"{low}-{high}, spread >= {gate.min_output_sigma_ratio}"
    out, y = number(measured.end.output_mean), number(measured.end.target_mean)
    if out is None or y is None:
        return threshold_check("output_statistics", title, None, threshold, None, why="not measured"), ""
    sigma = max(measured.end.target_sigma or 0, 1e-9)
    ratio = out / y if abs(y) > 1e-9 else None
    placed = (ratio is not None and low <= ratio <= high) or abs(out - y) <= gate.max_output_mean_shift * sigma
    variety = number(measured.end.variety)
    spread = (number(measured.end.output_sigma) or 0) / sigma if variety is None else variety
    wide = spread >= gate.min_output_sigma_ratio
    status, cause = Status.GO, ""
    seen = f"mean {out:.3g} against {y:.3g}, spread {spread:.2f} of theirs"
    why, hint = f"outputs do not look like the targets yet: {seen}", "Train longer (smoke.steps, smoke.max_extension)."
    if placed and wide:
        why = hint = ""
    elif placed and learned(measured, gate) and _skill_is_sure(measured) and not shrunk(measured):
        left = "what is left may be noise" if variety is None else "kinds of sample may be missing"
        status, why = Status.CAUTION, f"outputs vary less than the targets: {seen}; {left}"
    elif falling(measured) and not learned(measured, gate):
        status, cause, why = Status.NO_GO, "DIVERGING", f"outputs move away from the targets and skill falls: {seen}"
        hint = "Lower the learning rate, and look at what the outputs became."
    else:
        status, cause = Status.NO_GO, "UNDERTRAINED"
    value = f"{out:.3g} against {y:.3g}" if ratio is None else round(ratio, 4)
    check = Check(
        id="output_statistics", title=title, value=value, threshold=threshold, status=status, why=why, hint=hint
    )
    return check, cause


def samples_vary(measured: Measurements, gate: LearningGate) -> tuple[Check, str] | None:
    """Of a generator: its samples must differ from each other, as its input, the noise, does."""
    variety = number(measured.end.variety)
    if variety is None:
        return None
    never = collapsed(measured) and (number(measured.start.variety) or 0) < ALIKE  # else `stability` says it
    check = threshold_check(
        "samples_vary",
        "Distance of samples from each other / of targets",
        round(variety, 4),
        f">= {ALIKE:g}; `output_statistics` asks for more",
        not never,
        why="all samples are the same, whatever noise they are made of: the generator does not use it",
        hint="Look for noise that is zeroed, drawn only once, or too weak where it enters the generator.",
    )
    return check, "INPUT IGNORED"


def _skill_is_sure(measured: Measurements) -> bool:
    low = number(measured.end.skill_low)
    return low is None or low > 0


def skill(measured: Measurements, gate: LearningGate) -> tuple[Check, str]:
    quantities = measured.data is None or measured.data.quantities
    baseline = "predicting the mean" if quantities else "predicting by frequency"
    title, threshold = f"Skill over {baseline}, held-out items", f"> {gate.min_skill}"
    value = number(measured.end.skill)
    if value is None:
        return threshold_check("skill", title, None, threshold, None, why="not measured"), ""
    sure, before = _skill_is_sure(measured), number(measured.start.skill)
    idle = before is not None and measured.end.step > 0 and value - before < GAINED
    status = Status.NO_GO if not learned(measured, gate) else Status.GO if sure and not idle else Status.CAUTION
    low, high = number(measured.end.skill_low), number(measured.end.skill_high)
    between = "" if low is None or high is None else f", 90 % interval {low:.2f} to {high:.2f}"
    no_better = f"on held-out items the model is no better than {baseline} (skill {value:.2f}{between})"
    if value > gate.min_skill:
        no_better = f"the skill on held-out items ({value:.2f}{between}) was there before the first step"
    why = {
        Status.NO_GO: no_better + _slope_in_words(measured),
        Status.CAUTION: f"skill {value:.2f} may be chance{between}"
        if not sure
        else f"skill was {before or 0:.2f} before the first step and is {value:.2f}: training gained nothing so far",
        Status.GO: "",
    }[status]
    hint = "Train longer." if rising(measured) else "Train longer; if the skill stays flat, try a higher learning rate."
    check = Check(
        id="skill",
        title=title,
        value=round(value, 4),
        threshold=threshold,
        status=status,
        why=why,
        hint=hint if status is Status.NO_GO else "" if not why else HOLD_OUT_MORE if not sure else LOOK_AT_THE_RATE,
    )
    return check, "UNDERTRAINED"


def _slope_in_words(measured: Measurements) -> str:
    slope = skill_slope(measured)
    if slope is None or measured.steps <= 0:
        return ""
    word = "rising" if rising(measured) else "falling" if falling(measured) else "flat or too short to tell"
    return f"; {word}, {100 * slope.slope:+.3f} a hundred steps at the end"


def convergence(measured: Measurements, gate: LearningGate) -> tuple[Check, str] | None:
    """A warning and no more: what is lost beyond that is for `stability` to stop."""
    found = converged(measured.val_steps, measured.val_loss)
    if found.state == "unknown":
        after = [e for e in measured.evaluations if e.step > 0]
        found = converged([e.step for e in after], [e.error for e in after])
    check = Check(
        id="convergence",
        title="Validation loss at its end",
        value=found.state,
        threshold="none: falling or flat; rising is a warning",
        status=Status.CAUTION if found.state == "rising" and found.beyond_noise else Status.GO,
        why=found.text if found.state == "rising" else "",
        hint="Stop at the best checkpoint, lower the learning rate, or take more data."
        if found.state == "rising"
        else "",
    )
    return check, ""


def average(measured: Measurements, gate: LearningGate) -> tuple[Check, str]:
    """A warning and no more: the weights themselves may be good."""
    share = measured.ema_initial_share
    stale = share is not None and share > MAX_INITIAL_SHARE
    check = Check(
        id="moving_average",
        title="Initial weights left in the moving average",
        value="no average is kept" if share is None else round(share, 4),
        threshold=f"<= {MAX_INITIAL_SHARE}",
        status=Status.CAUTION if stale else Status.GO,
        why=f"after {measured.steps} steps the moving average is {share:.0%} initial weights: its pictures say nothing"
        if stale
        else "",
        hint="Lower ema_decay, or set ema_warmup: true." if stale else "",
    )
    return check, ""


def loss(measured: Measurements, gate: LearningGate) -> tuple[Check, str]:
    """Shown for the reader; a falling loss is never a reason to go."""
    first, last = number(measured.first_loss), number(measured.last_loss)
    fall = None if first is None or last is None else round(100 * (1 - last / max(first, 1e-12)), 1)
    threshold = "none: a falling loss is not success"
    check = Check(
        id="loss_fall", title="Training loss fell by", value=fall, unit="%", threshold=threshold, status=Status.GO,
        why="the first or the last loss is not a finite number" if fall is None else "",
    )  # fmt: skip
    return check, ""
