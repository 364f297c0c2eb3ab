"""The smoke run's loss as a picture, with what trivial answers would score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, Field, model_validator

from gonogo.base.files import replacing
from gonogo.learning.measurements import Measurements
from gonogo.training.spec import TrainingResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes


T = TypeVar("T")
# Okabe & Ito's palette, told apart with any colour vision
TRAINING, VALIDATION, BASELINES = "#0072B2", "#D55E00", ("#555555", "#009E73", "#CC79A7", "#8a6d00")
INCHES, DPI = (9.0, 5.0), 100  # 900 × 500 pixels
LOG_FROM_RATIO = 30  # largest over smallest loss, from which a linear axis hides the end of the run


class LossCurve(BaseModel):
    """Losses over optimizer steps. Null, or not finite: the loss was not a number there."""

    title: str
    steps: list[int]
    train_loss: list[float | None]
    val_steps: list[int] = Field(default_factory=list)
    val_loss: list[float | None] = Field(default_factory=list)
    baselines: dict[str, float] = Field(default_factory=dict, description="`predict the mean` → its loss on validation")
    unit: str = Field(description="label of the loss axis")

    @model_validator(mode="after")
    def _same_lengths(self) -> LossCurve:
        if len(self.steps) != len(self.train_loss) or len(self.val_steps) != len(self.val_loss):
            raise ValueError("steps and losses differ in length")
        return self

    def thinned(self, most: int) -> LossCurve:
        """With no more than about `most` points of each line; the last of each stays. NaN and infinity are null."""
        kept = {
            "steps": _thinned(self.steps, most), "train_loss": _thinned(_plain(self.train_loss), most),
            "val_steps": _thinned(self.val_steps, most), "val_loss": _thinned(_plain(self.val_loss), most),
            "baselines": {name: value for name, value in self.baselines.items() if math.isfinite(value)},
        }  # fmt: skip
        return self.model_copy(update=kept)


def loss_curve(series: LossCurve, out: Path) -> None:
    """Write a 900 × 500 picture (the format follows the suffix of `out`), whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=INCHES, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _curves(axes, series)
    _baselines(axes, series)
    _not_a_number(axes, series)
    axes.set_title(series.title, loc="left", fontweight="bold", parse_math=False)
    axes.set_xlabel("optimizer step")
    axes.set_ylabel(series.unit, parse_math=False)
    axes.margins(y=0.1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
    with replacing(out) as temporary:
        figure.savefig(temporary)


def _curves(axes: Axes, series: LossCurve) -> None:
    train, validation = _finite(series.train_loss), _finite(series.val_loss)
    shown = [value for value in [*train, *validation, *series.baselines.values()] if math.isfinite(value)]
    if shown and min(shown) > 0 and max(shown) > LOG_FROM_RATIO * min(shown):
        axes.set_yscale("log")
    axes.plot(series.steps, train, color=TRAINING, alpha=0.3, linewidth=1)
    axes.plot(series.steps, _smoothed(train), color=TRAINING, linewidth=2, label="training")
    if validation:
        axes.plot(series.val_steps, validation, color=VALIDATION, linewidth=2, marker="o", label="validation")


def _baselines(axes: Axes, series: LossCurve) -> None:
    """A horizontal line each, named on the line; names of close lines are kept apart."""
    finite = {name: value for name, value in series.baselines.items() if math.isfinite(value)}
    ordered = sorted(finite.items(), key=lambda item: item[1])
    for index, (name, value) in enumerate(ordered):
        colour = BASELINES[index % len(BASELINES)]
        axes.axhline(value, color=colour, linewidth=1.5, linestyle="--")
        above = index == len(ordered) - 1
        axes.annotate(
            f"{name}: {value:.3g}",
            (0.01, value),
            xycoords=("axes fraction", "data"),
            xytext=(0, 4 if above else -4),
            textcoords="offset points",
            va="bottom" if above else "top",
            color=colour,
            parse_math=False,
            bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1},
        )


def _not_a_number(axes: Axes, series: LossCurve) -> None:
    first = next(
        (step for step, loss in zip(series.steps, _finite(series.train_loss), strict=True) if math.isnan(loss)),
        None,
    )
    if first is not None:
        axes.axvline(first, color="#c01c28", linewidth=1.5)
        axes.annotate(
            f"not a number\nfrom step {first}",
            (first, 0.5),
            xycoords=("data", "axes fraction"),
            xytext=(-6, 0),
            textcoords="offset points",
            ha="right",
            color="#c01c28",
        )


def _finite(losses: Sequence[float | None]) -> list[float]:
    """NaN wherever there is no finite number: matplotlib leaves a gap there."""
    return [loss if loss is not None and math.isfinite(loss) else math.nan for loss in losses]


def _plain(losses: Sequence[float | None]) -> list[float | None]:
    return [loss if loss is not None and math.isfinite(loss) else None for loss in losses]


def _thinned(values: list[T], most: int) -> list[T]:
    stride = math.ceil(len(values) / most)
    return values if stride <= 1 else [*values[:-1:stride], values[-1]]


def _smoothed(losses: list[float]) -> list[float]:
    """Mean over a trailing window of a twentieth of the run, gaps left out."""
    window = max(1, len(losses) // 20)
    means = []
    for end in range(1, len(losses) + 1):
        known = [loss for loss in losses[max(0, end - window) : end] if not math.isnan(loss)]
        means.append(sum(known) / len(known) if known and not math.isnan(losses[end - 1]) else math.nan)
    return means


def curve_of(result: TrainingResult, measured: Measurements | None, experiment: str) -> LossCurve:
    """The picture of the run: losses, and what predicting the mean and copying the input would score, if measured."""
    of_mean = measured.end.error_of_mean if measured and measured.evaluations else None
    baselines = {"predict the mean": of_mean, "copy the input": measured.error_of_copy if measured else None}
    return LossCurve(
        title=f"{experiment}: smoke run of {result.steps} steps",
        steps=result.train_steps or list(range(1, len(result.train_loss) + 1)),
        train_loss=list(result.train_loss),
        val_steps=result.val_steps,
        val_loss=list(result.val_loss),
        baselines={name: value for name, value in baselines.items() if value is not None},
        unit="loss; validation: held-out error",
    )
