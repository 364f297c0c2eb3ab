"""What optimizers did, step by step. Measurements: thresholds are the judges'."""

from __future__ import annotations

from pydantic import Field

from gonogo.learning.loss_calls import NumbersOrNot


class OptimizerFacts(NumbersOrNot):
    """One optimizer of the script."""

    name: str = Field(description="its class")
    where: str = Field("", description="file:line of its step")
    steps: int = 0
    learning_rates: list[float] = Field(default_factory=list, description="largest of its groups, at each step")
    norms: list[float | None] = Field(default_factory=list, description="of all gradients at each step")
    without_gradients: int = Field(0, description="steps at which no parameter had a gradient other than zero")
    zeroed_before_step: int = Field(0, description="of these: gradients were zeroed after the backward pass")
    step_before_backward: int = Field(0, description="of these: the backward pass came after the step")
    zero_where: str = Field("", description="file:line of that zero_grad")
    stale_windows: int = Field(0, description="steps since the last of which gradients were never zeroed")
    windows: int = Field(0, description="steps with a backward pass since the last one")
    backwards_per_step: float = 0
    changes: list[float] = Field(default_factory=list, description="|change| / |weights| at each step, of a sample")
    weight_decay: float = 0
    moves: list[float] = Field(
        default_factory=list, description="Adam's change of a weight / learning rate at each step, rms of those changed"
    )


class SchedulerFacts(NumbersOrNot):
    name: str
    where: str = ""
    steps: int = 0
    before_first_optimizer_step: int = 0
