"""The changes to a training step that are always tried, and the order in which changes are tried."""

from __future__ import annotations

from collections.abc import Sequence

from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.experiment.plan_option import PlanOption


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
    whole = training.card_batch_size
    if whole % micro_batch_size:
        raise ValueError(f"an effective batch of {whole} a card cannot be cut into parts of {micro_batch_size}")
    changed = {"micro_batch_size": micro_batch_size, "accumulate_grad_batches": whole // micro_batch_size}
    return training.model_copy(update=changed)
