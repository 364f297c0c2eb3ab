"""Is the smoke run learning, and the right thing? One cause, found by ordered tests.

A falling loss proves nothing: it fell in every bad case that was tried (dark targets, shuffled pairs, noise,
ignored input). What separates them is what the outputs are compared with.
"""

from __future__ import annotations

from pydantic import Field

from gonogo.config import LearningGate
from gonogo.measured import Measured
from gonogo.verdict import Check, Status

DATA_HINT = "Open the contact sheet. Mend the data first; more epochs cannot make a model brighter than its targets."


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
    return [check for _, check in tests] + [_loss(measured)], cause


def _number(value: float | None) -> float | None:
    """The value, or None when it is not a finite number."""
    return value if value is not None and abs(value) < float("inf") else None


def _check(id_: str, title: str, value: float | None, threshold: str, good: bool, why: str, hint: str) -> Check:
    if _number(value) is None:
        return Check(
            id=id_,
            title=title,
            threshold=threshold,
            status=Status.UNKNOWN,
            why=f"{title}: not measured",
            hint=hint,
        )
    return Check(
        id=id_, title=title, value=round(float(value or 0), 4), threshold=threshold,
        status=Status.GO if good else Status.NO_GO, why="" if good else why, hint="" if good else hint,
    )  # fmt: skip


def _finite(m: Measurements) -> Check:
    return Check(
        id="finite", title="Loss is a number at every step", value=m.finite, threshold="no NaN, no infinity",
        status=Status.GO if m.finite else Status.NO_GO, why=m.stopped,
        hint="" if m.finite else "Lower the learning rate by 10, and check the targets for NaN.",
    )  # fmt: skip


def _data(m: Measurements, gate: LearningGate) -> Check:
    x, y = _number(m.input_mean), _number(m.target_mean)
    ratio = None if x is None or y is None else y / max(abs(x), 1e-9)
    why = f"the targets are dark: their mean is {y or 0:.3f} against {x or 0:.3f} at the input; a model trained on them learns black"
    return _check(
        "target_brightness", "Targets against inputs, mean", ratio, f">= {gate.min_target_input_ratio}",
        ratio is not None and ratio >= gate.min_target_input_ratio, why, DATA_HINT,
    )  # fmt: skip


def _wiring(m: Measurements, gate: LearningGate) -> Check:
    value = _number(m.overfit_ratio)
    return _check(
        "overfit_one_batch", "One batch fitted alone, error / variance", value, f"<= {gate.max_overfit_ratio}",
        value is not None and value <= gate.max_overfit_ratio,
        f"the model cannot even fit one batch ({value or 0:.2f} of its variance is left): loss, targets or gradients are not connected",
        "Check that the loss sees the outputs, that gradients reach the weights, and the learning rate.",
    )  # fmt: skip


def _outputs(m: Measurements, gate: LearningGate) -> Check:
    low, high = gate.output_mean_range
    out, y = _number(m.output_mean), _number(m.target_mean)
    ratio = None if out is None or y is None else out / max(abs(y), 1e-9)
    sigma = (m.output_sigma or 0) / max(m.target_sigma or 0, 1e-9)
    good = ratio is not None and low <= ratio <= high and sigma >= gate.min_output_sigma_ratio
    return _check(
        "output_statistics", "Outputs against targets, mean", ratio,
        f"{low}-{high}, spread >= {gate.min_output_sigma_ratio}", good,
        f"outputs do not look like the targets yet: mean {ratio or 0:.2f} of theirs, spread {sigma:.2f} of theirs, and the targets are healthy",
        "Train the smoke run longer (smoke.steps); the data is not at fault.",
    )  # fmt: skip


def _skill(m: Measurements, gate: LearningGate) -> Check:
    value = _number(m.skill)
    return _check(
        "skill", "Skill over predicting the mean, held-out items", value, f"> {gate.min_skill}",
        value is not None and value > gate.min_skill,
        f"on held-out items the model is no better than predicting the mean (skill {value or 0:.2f})",
        "Train the smoke run longer (smoke.steps). If the skill stays flat, inputs and targets may not belong together.",
    )  # fmt: skip


def _input_used(m: Measurements, gate: LearningGate) -> Check:
    with_input, without = _number(m.skill), _number(m.skill_without_input)
    lost = None if with_input is None or without is None else with_input - without
    return _check(
        "input_used", "Skill lost when the input is zeroed", lost, f">= {gate.min_input_skill}",
        lost is not None and lost >= gate.min_input_skill,
        f"zeroing the input costs only {lost or 0:.2f} skill: the model ignores its input",
        "Check that the input reaches the model, and that inputs and targets are paired.",
    )  # fmt: skip


def _loss(m: Measurements) -> Check:
    """Shown for the reader; a falling loss is never a reason to go."""
    first, last = _number(m.first_loss), _number(m.last_loss)
    fall = None if first is None or last is None else round(100 * (1 - last / max(first, 1e-12)), 1)
    return Check(
        id="loss_fall", title="Training loss fell by", value=fall, unit="%", threshold="none: a falling loss is not success",
        status=Status.GO,
    )  # fmt: skip
