"""What the learning gate can say of a command: its losses are all that it shows, and never enough for a GO."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

from gonogo.learning.measurements import Curve, Measurements, number
from gonogo.learning.trend import CHANGE_WITHOUT_NOISE, FEWEST_FOR_NOISE, theil_sen
from gonogo.thresholds import LearningGate
from gonogo.verdict import Check, Status

if TYPE_CHECKING:
    from gonogo.training import TrainingResult

PARTS = 40  # of the training loss, each with its mean
NOT_JUDGED = "not judged: a command shows only its losses"
NOT_FALLING = "LOSS"  # the cause


def curve_of(steps: Sequence[int], losses: Sequence[float]) -> Curve:
    """Means of equal parts of the run: what is left of a batch's noise does not hide a trend."""
    count = min(PARTS, len(losses))
    edges = [part * len(losses) // count for part in range(count + 1)] if count else [0]
    parts = [slice(first, last) for first, last in pairwise(edges)]
    return Curve(
        steps=[round(fmean(steps[part])) for part in parts], train_loss=[fmean(losses[part]) for part in parts]
    )


def measured_losses(result: TrainingResult) -> Measurements:
    """What a command's run showed; null is what only a model's own outputs would tell."""
    losses = result.train_loss
    unknown = (
        "overfit_ratio", "input_mean", "target_mean", "output_mean", "target_sigma", "output_sigma", "skill",
        "skill_without_input", "copy_skill", "error", "error_of_mean", "error_of_copy",
    )  # fmt: skip
    return Measurements(
        finite=result.finite,
        stopped=result.stopped,
        steps=result.steps,
        first_loss=fmean(losses[:5]),
        last_loss=fmean(losses[-20:]),
        peak_loss=max(losses),
        val_steps=result.val_steps,
        val_loss=list(result.val_loss),
        curve=curve_of(result.train_steps, losses),
        **dict.fromkeys(unknown),
    )


def train_falls(m: Measurements, gate: LearningGate) -> tuple[Check, str]:
    assert m.curve is not None
    title = "Training loss falls, beyond its noise"
    return _falls(
        "train_loss_falls", title, m.curve.steps, m.curve.train_loss, "training loss", needed=FEWEST_FOR_NOISE
    )


def val_falls(m: Measurements, gate: LearningGate) -> tuple[Check, str] | None:
    """Where it is reported at least twice."""
    if len(m.val_loss) < 2:
        return None
    return _falls("val_loss_falls", "Validation loss falls", m.val_steps, m.val_loss, "validation loss", needed=2)


def _falls(
    id_: str, title: str, steps: Sequence[int], losses: Sequence[float | None], name: str, needed: int
) -> tuple[Check, str]:
    points = [
        (step, loss) for step, loss in zip(steps, losses, strict=True) if number(loss) is not None and loss is not None
    ]
    if len(points) < needed:
        return Check(
            id=id_, title=title, value=len(points), unit="values", threshold=f">= {needed} to tell",
            status=Status.UNKNOWN, why=f"too few values of the {name} to tell whether it falls",
            hint="Write a row of metrics.csv at every step, or give smoke.steps more.",
        ), ""  # fmt: skip
    first, last = points[0][1], points[-1][1]
    fall = (first - last) / max(abs(first), 1e-12)
    slope = theil_sen([step for step, _ in points], [loss for _, loss in points])
    if len(points) >= FEWEST_FOR_NOISE:
        good, rises = slope is not None and slope.high < 0, slope is not None and slope.low > 0
    else:
        good, rises = fall > CHANGE_WITHOUT_NOISE, fall < -CHANGE_WITHOUT_NOISE
    does = "rises" if rises else "does not fall beyond its noise"
    check = Check(
        id=id_, title=title, value=round(100 * fall, 1), unit="%", threshold="a slope below zero, with its interval",
        status=Status.GO if good else Status.NO_GO,
        why="" if good else f"the {name} {does}: {first:.4g} → {last:.4g} from step {points[0][0]} to {points[-1][0]}",
        hint="" if good else "Another learning rate, or a longer smoke run; then look at the data and the loss.",
    )  # fmt: skip
    return check, "DIVERGING" if rises else NOT_FALLING


def _unseen(id_: str, title: str) -> Callable[[Measurements, LearningGate], tuple[Check, str]]:
    check = Check(
        id=id_, title=title, status=Status.CAUTION, why=NOT_JUDGED,
        hint="An experiment given as a class answers it (docs/experiments.md).",
    )  # fmt: skip
    return lambda m, gate: (check, "")


UNSEEN = (
    _unseen("input_used", "Skill lost when the input is zeroed"),
    _unseen("gradients", "Modules that learn nothing"),
    _unseen("leakage", "Held-out samples also trained on"),
    _unseen("skill", "Skill over predicting the mean, held-out items"),
)
