"""What the learning gate can say of a command: its losses are all that it shows, and never enough for a GO."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.loss_trend import LossTrend, loss_trend
from gonogo.learning.measurements import Curve, Measurements, number
from gonogo.learning.trend import CHANGE_WITHOUT_NOISE, FEWEST_FOR_NOISE
from gonogo.verdict import Check, Status

if TYPE_CHECKING:
    from gonogo.training.spec import TrainingResult

PARTS = 40  # of the training loss, each with its mean
NOT_JUDGED = "not judged: a command shows only its losses"
NOT_FALLING = "LOSS"  # the cause
LIKELY = (
    1.2  # standard deviations of ranks, CLEAR being 2.7: of losses as noisy as Dice 3 in 100 falling ones are below
)
LOWER_RATE = "Lower the learning rate by 10, or warm it up longer; clip gradients."
TITLES = {"train_loss_falls": "Training loss falls, beyond its noise", "val_loss_falls": "Validation loss falls"}


def curve_of(steps: Sequence[int], losses: Sequence[float]) -> Curve:
    """Means of equal parts of the run: what is left of a batch's noise does not hide a trend."""
    count = min(PARTS, len(losses))
    edges = [part * len(losses) // count for part in range(count + 1)] if count else [0]
    parts = [slice(first, last) for first, last in pairwise(edges)]
    return Curve(
        steps=[round(fmean(steps[part])) for part in parts],
        train_loss=[_mean(losses[part]) for part in parts],
        opening=list(losses[:3]),
    )


def _mean(losses: Sequence[float]) -> float:
    """Divided before they are summed, which near the greatest float would overflow."""
    return math.fsum(loss / len(losses) for loss in losses)


def measured_losses(result: TrainingResult) -> Measurements:
    """What a command's run showed: nothing of what only a model's own outputs would tell."""
    losses = result.train_loss
    return Measurements(
        finite=result.finite,
        stopped=result.stopped,
        steps=result.steps,
        first_loss=_mean(losses[:5]),
        last_loss=_mean(losses[-20:]),
        peak_loss=max(filter(math.isfinite, losses), default=None),
        val_steps=result.val_steps,
        val_loss=list(result.val_loss),
        curve=curve_of(result.train_steps, losses),
    )


def train_falls(measured: Measurements, gate: LearningGate) -> tuple[Check, str]:
    assert measured.curve is not None
    points = _finite(measured.curve.steps, measured.curve.train_loss)
    if len(points) < FEWEST_FOR_NOISE:
        return _check(
            "train_loss_falls", Status.UNKNOWN, len(points), "values", f">= {FEWEST_FOR_NOISE} to tell",
            why="too few values of the training loss to tell whether it falls",
            hint="Write a row of metrics.csv at every step, or give smoke.steps more.",
        ), ""  # fmt: skip
    opening = [loss for loss in measured.curve.opening if loss is not None]
    trend = loss_trend(points, gate.max_loss_spike, opening, number(measured.peak_loss))
    went = _went("training loss", trend, points)
    status, cause, why, hint = Status.GO, "", "", ""
    if _exploded(trend, gate) or trend.spike > gate.max_loss_explosion:
        status, cause, why, hint = (
            Status.NO_GO,
            "DIVERGING",
            _explosion("training loss", trend, measured.peak_loss),
            LOWER_RATE,
        )
    elif trend.rises:
        status, cause, why, hint = Status.NO_GO, "DIVERGING", f"{went}: it rises", LOWER_RATE
    elif trend.falls and trend.spike > gate.max_loss_spike:
        status, why = Status.CAUTION, f"{_explosion('training loss', trend, measured.peak_loss)}; it recovered"
        hint = "Clip gradients, or warm the learning rate up for longer."
    elif not trend.falls and trend.fall_sigmas > LIKELY and trend.fall >= gate.min_telling_fall:
        status, why = Status.CAUTION, f"{went}, which may still be noise"
        hint = "A longer smoke run (smoke.steps) tells."
    elif not trend.falls:
        status, cause, why = Status.NO_GO, NOT_FALLING, f"{went}: it does not fall beyond its noise"
        hint = "Another learning rate, or a longer smoke run; then look at the data and the loss."
    threshold = f"a fall beyond its noise; never {gate.max_loss_spike:g} times its first value above it"
    return _check(
        "train_loss_falls", status, round(100 * trend.fall, 1), "%", threshold, why=why, hint=hint
    ), cause  # fmt: skip


def val_falls(measured: Measurements, gate: LearningGate) -> tuple[Check, str] | None:
    """Where it is reported at least twice. Values too few, or too noisy, to tell stop nothing."""
    points = _finite(measured.val_steps, measured.val_loss)
    if len(points) < 2:
        return None
    trend = loss_trend(points, gate.max_loss_spike)
    went = _went("validation loss", trend, points)
    status, cause, why, hint = Status.GO, "", "", ""
    if len(points) >= gate.min_validations and _exploded(trend, gate):
        status, cause, hint = Status.NO_GO, "DIVERGING", LOWER_RATE
        why = _explosion("validation loss", trend, max(loss for _, loss in points))
    elif trend.rises and trend.fall < -CHANGE_WITHOUT_NOISE:
        status, cause, why, hint = Status.NO_GO, "DIVERGING", f"{went}: it rises", LOWER_RATE
    elif trend.stands_still:
        status, cause, why = Status.NO_GO, NOT_FALLING, f"{went}: it stands still"
        hint = "A longer smoke run; then look at whether validation items are like those of training."
    elif not trend.falls:
        status, why = Status.CAUTION, f"not judged: {went}; {len(points)} values do not tell that from noise"
        hint = "Validate more often in the smoke run, or give smoke.steps more."
    threshold = f"a fall beyond its noise; DIVERGING from {gate.min_validations} values on"
    return _check("val_loss_falls", status, round(100 * trend.fall, 1), "%", threshold, why=why, hint=hint), cause


def _exploded(trend: LossTrend, gate: LearningGate) -> bool:
    """It went far above its first value, and has not come down to clearly less than that."""
    if trend.spike <= gate.max_loss_spike:
        return False
    recovered = trend.falls and trend.end < trend.first and trend.fall >= gate.min_telling_fall
    return not recovered or trend.end_spike > gate.max_loss_spike


def _explosion(name: str, trend: LossTrend, peak: float | None) -> str:
    return f"the {name} rose from {trend.first:.4g} to {peak:.4g}, and ends at {trend.end:.4g}"


def _went(name: str, trend: LossTrend, points: Sequence[tuple[int, float]]) -> str:
    return f"the {name} went {trend.start:.4g} → {trend.end:.4g} from step {points[0][0]} to {points[-1][0]}"


def _finite(steps: Sequence[int], losses: Sequence[float | None]) -> list[tuple[int, float]]:
    found = zip(steps, map(number, losses), strict=True)
    return [(step, loss) for step, loss in found if loss is not None]


def _check(id_: str, status: Status, value: float, unit: str, threshold: str, *, why: str, hint: str) -> Check:
    return Check(
        id=id_, title=TITLES[id_], value=value, unit=unit, threshold=threshold, status=status, why=why, hint=hint
    )


def _unseen(id_: str, title: str) -> Callable[[Measurements, LearningGate], tuple[Check, str]]:
    check = Check(
        id=id_, title=title, status=Status.CAUTION, why=NOT_JUDGED,
        hint="An experiment given as a class answers it (docs/experiments.md).",
    )  # fmt: skip
    return lambda measured, gate: (check, "")


UNSEEN = (
    _unseen("input_used", "Skill lost when the input is zeroed"),
    _unseen("gradients", "Modules that learn nothing"),
    _unseen("leakage", "Held-out samples also trained on"),
    _unseen("skill", "Skill over predicting the mean, held-out items"),
)
