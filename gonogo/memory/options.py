"""What can be changed about a training step so that it needs less memory, and what the change costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ConfigDict, Field

from gonogo.base.models import Positive, StrictModel
from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training


class PlanOption(StrictModel):
    """One change, as an experiment offers it (`Experiment.plan_options`)."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="for people: `gradient checkpointing`")
    training: dict[str, Any] = Field(default_factory=dict, description="laid over the training keys")
    settings: dict[str, Any] = Field(default_factory=dict, description="laid over the experiment's `settings`")
    slowdown: Positive = Field(1.0, description="time of a step with it, over the time without")
    slowdown_source: str = Field(description="where that figure is from")
    exact: bool = Field(description="the same model comes out, but for rounding")
    lessens_weights: bool = Field(False, description="weights, gradients or optimizer state take less with it, too")


def gradient_checkpointing(part: str) -> PlanOption:
    """`settings.model.checkpointing` of an experiment whose model can let its parts, such as each block, run again."""
    return PlanOption(
        name="gradient checkpointing",
        settings={"model": {"checkpointing": True}},
        slowdown=1.33,
        slowdown_source=f"each {part}'s forward pass twice: 4 passes' arithmetic for 3",
        exact=True,
    )


def cheapest_first(options: Sequence[PlanOption]) -> list[PlanOption]:
    """What changes only the time before what changes the result; of the same kind the faster one."""
    return sorted(options, key=lambda option: (not option.exact, option.slowdown))


def precision_options(training: Training, accelerator: Accelerator) -> list[PlanOption]:
    """Half precision, where the plan is at 32 bits and the card multiplies so."""
    if training.precision != "32-true" or accelerator.is_this_machine:
        return []
    peak, precision = accelerator.tflops_bf16, "bf16-mixed"
    if peak is None:
        peak, precision = accelerator.tflops_fp16, "16-mixed"
    if peak is None or accelerator.tflops_fp32 is None:
        return []
    source = (
        f"at least as fast: the card's peak is {peak:g} TFLOPS so and {accelerator.tflops_fp32:g} at 32 bits "
        "(config/accelerators.yaml); how much faster is for the canary to measure"
    )
    return [PlanOption(name=precision, training={"precision": precision}, slowdown_source=source, exact=False)]


def divisors(number: int) -> list[int]:
    """Of a positive number, largest first."""
    return [candidate for candidate in range(number, 0, -1) if number % candidate == 0]


def with_micro_batch(training: Training, micro_batch_size: int) -> Training:
    """The same effective batch in other parts.

    Raises:
        ValueError: the effective batch cannot be cut into such parts.
    """
    effective = training.effective_batch_size
    if effective % micro_batch_size:
        raise ValueError(f"an effective batch of {effective} cannot be cut into parts of {micro_batch_size}")
    changed = {"micro_batch_size": micro_batch_size, "accumulate_grad_batches": effective // micro_batch_size}
    return training.model_copy(update=changed)
