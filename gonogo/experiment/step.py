"""A training step as the memory trace takes it: any model, optimizer, loss and loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from gonogo.base.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import nn

    Optimizers: TypeAlias = torch.optim.Optimizer | Sequence[torch.optim.Optimizer]

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true")


@dataclass
class Step:
    """One optimizer step.

    Attributes:
        model: built on the processor; the trace moves it to the card.
        optimizer: of the model's parameters, or several; or what makes them, called when the model is on the card.
        run: takes a batch; returns the loss, or None if it did backward, optimizer step and zero_grad itself.
        batch: nested tensors on the processor, moved to the card before every forward pass.
        micro_batch_size: samples in `batch`.
        accumulate_grad_batches: forward passes an optimizer step.
        devices: cards that train together, each with a step like this one.
        strategy: "ddp": under DistributedDataParallel; "fsdp": each keeps a part of the weights (FSDP2), and
            `optimizer` is what makes the optimizers.
        gradient_clip_val: L2 norm; 0: off.
        precision: as Lightning names it.
        zero_grad: when gradients are released or zeroed; Lightning does it before_backward.
        set_to_none: released rather than filled with zeros.
        after_step: called after the optimizer, with the batch: a moving average, say.
        validate: a validation pass over a batch, called in eval mode without gradients; None: not known.
        validation_batch: as the validation loader makes it; None: not known, `batch` is taken.
        validation_batches: in a whole validation; 0: not known.
        other_batches: what else the training loader makes, the longest last: (what it is, the batch).
        checkpoint: saves and loads a checkpoint's parts, called with what is in one, as hooks of the project do.
        release: called at the end of an epoch, it lets go of what steps have kept.
        looked: what was read of the loaders, in words.
        planned_steps, epoch_steps: optimizer steps of the whole run, and of an epoch; 0: not known.
    """

    model: nn.Module
    optimizer: Optimizers | Callable[[], Optimizers]
    run: Callable[[Any], Any]
    batch: Any
    micro_batch_size: int = 1
    accumulate_grad_batches: int = 1
    devices: int = 1
    strategy: Literal["ddp", "fsdp"] = "ddp"
    gradient_clip_val: float = 0.0
    precision: str = "32-true"
    zero_grad: Literal["start", "before_backward", "end"] = "before_backward"
    set_to_none: bool = True
    after_step: Callable[[Any], Any] | None = None
    validate: Callable[[Any], Any] | None = None
    validation_batch: Any = None
    validation_batches: int = 0
    other_batches: Sequence[tuple[str, Any]] = ()
    checkpoint: Callable[[dict[str, Any]], Any] | None = None
    release: Callable[[], Any] | None = None
    looked: Sequence[str] = ()
    planned_steps: int = 0
    epoch_steps: int = 0

    @property
    def shards_weights(self) -> bool:
        return self.strategy == "fsdp" and self.devices > 1

    def check(self) -> None:
        """Raises UserError for what no training loop could be run with."""
        for name in ("micro_batch_size", "accumulate_grad_batches"):
            if getattr(self, name) < 1:
                raise UserError(f"{name}: {getattr(self, name)} is wrong: at least 1")
        if self.shards_weights and not callable(self.optimizer):
            raise UserError("strategy: fsdp replaces the parameters: give `optimizer` as a function that makes it")
        if not 0 <= self.gradient_clip_val < float("inf"):
            raise UserError(f"gradient_clip_val: {self.gradient_clip_val} is wrong: a number, 0 or more; 0 is off")
        if self.precision not in PRECISIONS:
            raise UserError(f"precision: {self.precision!r} is wrong: one of {', '.join(PRECISIONS)}")
