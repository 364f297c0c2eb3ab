"""What a run showed: of its data, of one batch fitted alone, of its steps, and on held-out samples."""

from __future__ import annotations

from pydantic import Field

from gonogo.base.models import ClosedModel
from gonogo.learning.loss_calls import LossCall, SeenError
from gonogo.learning.step_facts import StepFacts
from gonogo.measurements import Measured


class DataSummary(ClosedModel):
    """Both sides of the split as the dataloaders give them, read before training."""

    train_samples: int = Field(description="read, not necessarily all")
    held_out_samples: int
    read_all: bool
    bad_inputs: int = Field(description="samples with NaN or infinity, both sides")
    bad_targets: int
    input_mean: float | None
    inputs_vary: bool = Field(description="whether any two training inputs differ")
    targets_vary: bool
    comparable: bool = Field(description="inputs and targets are of one kind and range, so that means can be compared")
    zero: float = Field(description="value that is black in both: 0, or the lowest where values are negative")
    input_autocorrelation: float | None = Field(description="lag-1, along the last axis; null: no pictures or signals")
    target_autocorrelation: float | None
    independence_p: float | None = Field(
        description="p-value of: targets do not depend on inputs; null: too few distinct inputs"
    )
    exact_copies: int | None = Field(description="held-out samples also trained on; null: copies can arise by chance")
    near_copies: int | None
    shared_groups: list[str] = Field(description="up to five group names on both sides")
    shared_group_count: int
    target_in_input: float | None = Field(
        None,
        description="share of a target's runs of 8 values that stand in its own input, to the bit; null: not asked",
    )
    telling_column: int | None = Field(None, description="of the input's, that tells a column of the target best")
    telling_correlation: float | None = Field(None, description="of the two, absolute")
    copied_targets: int = Field(0, description="held-out samples whose target is a training sample's, to the bit")
    overlapping: int | None = Field(None, description="held-out windows that share values with a training window")
    recurring: float | None = Field(
        None, description="share of training samples that have a twin among them; null: they cannot recur by chance"
    )
    distinct_samples: float | None = Field(None, description="share of the training samples that were read")
    held_out_targets_vary: bool = True
    spread_of_held_out: float | None = Field(None, description="of held-out inputs / that of training inputs")
    quantities: bool = Field(True, description="targets are numbers with a mean and a spread; false: classes, tokens")
    paired: bool = Field(True, description="each output answers its own target; false: samples of a generator")
    shift_of_held_out: float | None = Field(
        None, description="of the mean of held-out inputs from that of training inputs, in spreads of the latter"
    )
    blank_samples: int = Field(0, description="training samples whose input is one value throughout")
    unsupervised_samples: int = Field(0, description="training samples without a position that is learned from")
    unsupervised_held_out: int = 0
    ignored_values: list[int] = Field(default_factory=list, description="targets that losses leave out")
    outside_classes: list[int] = Field(default_factory=list, description="targets that are no class, nor ignored")
    outside_samples: int = 0
    classes: int | None = None
    masks: bool = Field(False, description="`independence_p` is of masks and what they mark in their own pictures")
    target_is_input: float | None = Field(None, description="share of target tokens that stand at their own place")
    target_is_next: float | None = Field(None, description="share of target tokens that are the next input token")
    examples: dict[str, list[str]] = Field(
        default_factory=dict, description="what was counted → two of them, by index in their data set or by path"
    )


class Gradients(ClosedModel):
    """Norms before clipping, one for each optimizer step; and what they never reached."""

    norms: list[float | None]
    modules: int = Field(description="modules with trainable parameters of their own")
    unreached: list[str] = Field(description="those with a parameter whose gradient was zero at every step, in order")
    blocked: list[str] = Field(description="of these, where it was a bias: no gradient flows there at all")
    starved_first: bool = Field(
        description="the first module's bias has gradients, its weight has none: it reads zeros"
    )
    not_optimized: list[str] = Field(description="modules with a gradient that no optimizer holds")


class OneBatch(ClosedModel):
    """One batch fitted alone. Ratios: squared error / variance of its targets."""

    steps: int
    ratio: float | None
    first_ratio: float | None = Field(None, description="the ratio before its first step")
    falling: bool = Field(description="its loss still fell, beyond noise, over the second half of the steps")
    loss_fell: float | None = Field(None, description="share of its first loss by which it fell; null: not known")
    rose: bool = Field(description="its loss went above three times where it began, or was not finite")
    gradients: Gradients
    ratio_of_batch: float | None = Field(
        None, description="the ratio where batch norms take the batch's own statistics; null: there are none"
    )
    loss_calls: list[LossCall] = Field(default_factory=list, description="of its first steps")
    explained: SeenError = Field(default_factory=SeenError, description="why a step ended with an error")
    batch_norm_alone: str = Field("", description="batch norm that sees one value a channel in a batch of one")
    batch_norms_apart: dict[str, float] = Field(
        default_factory=dict,
        description="frozen batch norm → distance of its means from a batch's, in deviations",
    )
    other_rate: float | None = Field(None, description="factor on the learning rate with which it was tried again")
    other_ratio: float | None = Field(None, description="the ratio that this gave")


class Evaluation(ClosedModel):
    """The model at one step, on held-out samples."""

    step: int
    samples: int
    error: float | None
    error_of_mean: float | None
    skill: float | None = Field(description="1 - error / error of predicting the training mean")
    skill_low: float | None = Field(description="of a 90 % t interval over distinct inputs; null: too few")
    skill_high: float | None
    output_mean: float | None
    target_mean: float | None
    output_sigma: float | None
    target_sigma: float | None
    calibration: float | None = Field(
        None,
        description="slope of targets over outputs, both less the training mean; 1: right, above: outputs too small",
    )
    skill_without_input: float | None = None
    output_change: float | None = Field(
        None, description="root mean square change of outputs when the input is zeroed / spread of the targets"
    )
    variety: float | None = Field(
        None, description="of samples: mean distance from each other / that of targets; null: outputs answer targets"
    )
    own_input_gain: float | None = Field(
        None, description="skill with the own input - skill with another sample's; the low end of its interval"
    )


class Curve(ClosedModel):
    """The training loss of a command, which shows nothing else: means of equal parts of the run."""

    steps: list[int]
    train_loss: list[float | None]
    opening: list[float | None] = Field(default_factory=list, description="the first three losses, each by itself")


class Measurements(Measured):
    """What the smoke run showed. Pictures and signals in the experiment's own units."""

    finite: bool
    stopped: str = ""
    bad_batch: str = Field("", description="`inputs` or `targets` of the batch at which the loss was NaN or infinite")
    steps: int
    first_loss: float | None = Field(description="mean of the first 5 steps; null: not a number")
    last_loss: float | None = Field(description="mean of the last 20 steps")
    peak_loss: float | None = Field(None, description="highest of any step")
    val_steps: list[int]
    val_loss: list[float | None]
    evaluations: list[Evaluation] = Field(
        default_factory=list, description="over the run, from before its first step to its end; of a command none"
    )
    seen_skill: float | None = Field(None, description="skill at the end, on samples that were trained on")
    error_of_copy: float | None = Field(None, description="of copying the input, held-out; null: shapes differ")
    modules_that_see: list[str] | None = Field(
        None, description="up to five, in order, whose inputs change with the model's; null: not known"
    )
    ema_initial_share: float | None = Field(
        None, description="of the initial weights in the moving average; null: none kept"
    )
    data: DataSummary | None = None
    one_batch: OneBatch | None = None
    gradients: Gradients | None = None
    run: StepFacts | None = None
    looks_ahead: float | None = Field(
        None, description="change of earlier outputs / their spread, the last token changed; null: not of next tokens"
    )
    unused: list[str] | None = Field(
        None, description="modules without a gradient that the answers do not depend on; null: not asked"
    )
    curve: Curve | None = Field(None, description="of a command, of which only losses are known; else null")

    @property
    def end(self) -> Evaluation:
        """The model on held-out samples, as it was at last."""
        return self.evaluations[-1]

    @property
    def start(self) -> Evaluation:
        """Before the first step."""
        return self.evaluations[0]

    @property
    def overfit_ratio(self) -> float | None:
        """Of one batch fitted alone."""
        return None if self.one_batch is None else number(self.one_batch.ratio)


def number(value: float | None) -> float | None:
    """The value, or None when it is not a finite number."""
    return value if value is not None and abs(value) < float("inf") else None
