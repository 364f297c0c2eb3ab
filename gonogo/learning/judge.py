"""Is the smoke run learning, and the right thing? One cause, found by ordered tests.

A falling loss proves nothing: it fell in every bad case that was tried (dark targets, shuffled pairs, noise,
ignored input). What separates them is what the outputs are compared with.
"""

from __future__ import annotations

from pydantic import Field

from gonogo.config import LearningGate
from gonogo.learning.ema import MAX_INITIAL_SHARE
from gonogo.measured import Measured
from gonogo.verdict import Check, Status, held


class Measurements(Measured):
    """What the smoke run showed on held-out items. Pictures and signals in the experiment's own units."""

    finite: bool
    stopped: str = ""
    steps: int
    first_loss: float | None = Field(description="mean of the first 5 steps; null: not a number")
    last_loss: float | None = Field(description="mean of the last 20 steps")
    val_steps: list[int]
    val_loss: list[float | None]
    overfit_ratio: float | None = Field(description="one batch fitted alone: squared error / variance")
    input_mean: float | None
    target_mean: float | None
    output_mean: float | None
    target_sigma: float | None
    output_sigma: float | None
    skill: float | None = Field(description="1 - error / error of predicting the training mean, held-out items")
    skill_without_input: float | None
    ema_initial_share: float | None = Field(
        None, description="of the initial weights in the moving average; null: none kept"
    )
    copy_skill: float | None = Field(description="skill of copying the input, where shapes allow; else null")
    error: float | None = Field(description="in the experiment's own measure, that of `val_loss`")
    error_of_mean: float | None
    error_of_copy: float | None


def judge(measured: Measurements, gate: LearningGate) -> tuple[list[Check], str]:
    """Checks in the order in which they explain each other, and the first cause that they name."""
    tests = [
        ("DIVERGING", _finite(measured)),
        ("DATA", _data(measured, gate)),
        ("WIRING", _wiring(measured, gate)),
        ("UNDERTRAINED", _outputs(measured, gate)),
        ("UNDERTRAINED", _skill(measured, gate)),
        ("INPUT IGNORED", _input_used(measured, gate)),
    ]
    cause = next((name for name, check in tests if not check.status.passes), "")
    if cause == "WIRING" and _blind(measured, gate):
        cause = "INPUT IGNORED"
    return [check for _, check in tests] + [_average(measured), _loss(measured)], cause


def _blind(m: Measurements, gate: LearningGate) -> bool:
    """Whether the model learned the mean and nothing of its input: it is wired, but it cannot see."""
    with_input, without = _number(m.skill), _number(m.skill_without_input)
    if with_input is None or without is None:
        return False
    return abs(with_input) < gate.min_skill and with_input - without < gate.min_input_skill


def _number(value: float | None) -> float | None:
    """The value, or None when it is not a finite number."""
    return value if value is not None and abs(value) < float("inf") else None


def _finite(m: Measurements) -> Check:
    return held(
        "finite",
        "Loss is a number at every step",
        m.finite,
        "no NaN, no infinity",
        m.finite,
        why=m.stopped,
        hint="Lower the learning rate by 10, and check the targets for NaN.",
    )


def _data(m: Measurements, gate: LearningGate) -> Check:
    title, threshold = "Targets against inputs, mean", f">= {gate.min_target_input_ratio}"
    x, y = _number(m.input_mean), _number(m.target_mean)
    if x is None or y is None:
        return held("target_brightness", title, None, threshold, None, why="not measured")
    ratio = y / max(abs(x), 1e-9)
    return held(
        "target_brightness",
        title,
        round(ratio, 4),
        threshold,
        ratio >= gate.min_target_input_ratio,
        why=f"the targets are dark: their mean is {y:.3f} against {x:.3f} at the input; a model of them learns black",
        hint="Open the contact sheet. Mend the data first; more epochs cannot make a model brighter than its targets.",
    )


def _wiring(m: Measurements, gate: LearningGate) -> Check:
    title, threshold = "One batch fitted alone, error / variance", f"<= {gate.max_overfit_ratio}"
    value = _number(m.overfit_ratio)
    if value is None:
        return held("overfit_one_batch", title, None, threshold, None, why="not measured")
    return held(
        "overfit_one_batch",
        title,
        round(value, 4),
        threshold,
        value <= gate.max_overfit_ratio,
        why=(
            f"the model cannot even fit one batch ({value:.2f} of its variance is left): "
            "loss, targets or gradients are not connected"
        ),
        hint="Check that the loss sees the outputs, that gradients reach the weights, and the learning rate.",
    )


def _outputs(m: Measurements, gate: LearningGate) -> Check:
    low, high = gate.output_mean_range
    title, threshold = "Outputs against targets, mean", f"{low}-{high}, spread >= {gate.min_output_sigma_ratio}"
    out, y = _number(m.output_mean), _number(m.target_mean)
    if out is None or y is None:
        return held("output_statistics", title, None, threshold, None, why="not measured")
    ratio = out / max(abs(y), 1e-9)
    spread = (m.output_sigma or 0) / max(m.target_sigma or 0, 1e-9)
    return held(
        "output_statistics",
        title,
        round(ratio, 4),
        threshold,
        low <= ratio <= high and spread >= gate.min_output_sigma_ratio,
        why=f"outputs do not look like the targets yet: mean {ratio:.2f} of theirs, spread {spread:.2f} of theirs",
        hint="Train the smoke run longer (smoke.steps).",
    )


def _skill(m: Measurements, gate: LearningGate) -> Check:
    title, threshold = "Skill over predicting the mean, held-out items", f"> {gate.min_skill}"
    value = _number(m.skill)
    if value is None:
        return held("skill", title, None, threshold, None, why="not measured")
    return held(
        "skill",
        title,
        round(value, 4),
        threshold,
        value > gate.min_skill,
        why=f"on held-out items the model is no better than predicting the mean (skill {value:.2f})",
        hint="Train the smoke run longer. If the skill stays flat, inputs and targets may not belong together.",
    )


def _input_used(m: Measurements, gate: LearningGate) -> Check:
    title, threshold = "Skill lost when the input is zeroed", f">= {gate.min_input_skill}"
    with_input, without = _number(m.skill), _number(m.skill_without_input)
    if with_input is None or without is None:
        return held("input_used", title, None, threshold, None, why="not measured")
    lost = with_input - without
    return held(
        "input_used",
        title,
        round(lost, 4),
        threshold,
        lost >= gate.min_input_skill,
        why=f"zeroing the input costs only {lost:.2f} skill: the model ignores its input",
        hint="Check that the input reaches the model, and that inputs and targets are paired.",
    )


def _average(m: Measurements) -> Check:
    """A warning and no more: the weights themselves may be good."""
    share = m.ema_initial_share
    stale = share is not None and share > MAX_INITIAL_SHARE
    return Check(
        id="moving_average",
        title="Initial weights left in the moving average",
        value="no average is kept" if share is None else round(share, 4),
        threshold=f"<= {MAX_INITIAL_SHARE}",
        status=Status.CAUTION if stale else Status.GO,
        why=f"after {m.steps} steps the moving average is {share:.0%} initial weights: its pictures say nothing"
        if stale
        else "",
        hint="Lower ema_decay, or set ema_warmup: true." if stale else "",
    )


def _loss(m: Measurements) -> Check:
    """Shown for the reader; a falling loss is never a reason to go."""
    first, last = _number(m.first_loss), _number(m.last_loss)
    fall = None if first is None or last is None else round(100 * (1 - last / max(first, 1e-12)), 1)
    threshold = "none: a falling loss is not success"
    return Check(
        id="loss_fall", title="Training loss fell by", value=fall, unit="%", threshold=threshold, status=Status.GO
    )
