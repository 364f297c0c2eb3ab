"""A training step, as the trace is given one: any model, optimizer, loss and loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import nn

from gonogo.base.errors import UserError
from gonogo.config.experiment import Training
from gonogo.experiment.contract import Experiment
from gonogo.memory.torch_private import tree_leaves
from gonogo.training.manual_optimization import optimizers_of, without_trainer

AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
CONVERTED = {"bf16-true": torch.bfloat16, "16-true": torch.float16}

Optimizers: TypeAlias = torch.optim.Optimizer | Sequence[torch.optim.Optimizer]


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
        gradient_clip_val: L2 norm; 0: off.
        precision: as Lightning names it.
        zero_grad: when gradients are released or zeroed; Lightning does it before_backward.
        set_to_none: released rather than filled with zeros.
        after_step: called after the optimizer, with the batch: a moving average, say.
    """

    model: nn.Module
    optimizer: Optimizers | Callable[[], Optimizers]
    run: Callable[[Any], Any]
    batch: Any
    micro_batch_size: int = 1
    accumulate_grad_batches: int = 1
    gradient_clip_val: float = 0.0
    precision: str = "32-true"
    zero_grad: Literal["start", "before_backward", "end"] = "before_backward"
    set_to_none: bool = True
    after_step: Callable[[Any], Any] | None = None

    def check(self) -> None:
        """Raises UserError for what no training loop could be run with."""
        for name in ("micro_batch_size", "accumulate_grad_batches"):
            if getattr(self, name) < 1:
                raise UserError(f"{name}: {getattr(self, name)} is wrong: at least 1")
        if not 0 <= self.gradient_clip_val < float("inf"):
            raise UserError(f"gradient_clip_val: {self.gradient_clip_val} is wrong: a number, 0 or more; 0 is off")
        if self.precision not in ("32-true", *AUTOCAST, *CONVERTED):
            raise UserError(
                f"precision: {self.precision!r} is wrong: one of {', '.join(['32-true', *AUTOCAST, *CONVERTED])}"
            )


def experiment_step(experiment: Experiment, training: Training) -> Step:
    """The step that Lightning's Trainer would run for this experiment, in the phase that needs most memory."""
    module = experiment.module(training)
    experiment.heaviest(module, training)
    index = iter(range(1 << 30))

    def optimizers() -> Optimizers:
        found = optimizers_of(module)
        if not module.automatic_optimization:
            without_trainer(module, found, training.gradient_clip_val)
        return found[0] if len(found) == 1 else found

    def whole_step(batch: Any) -> None:
        for _ in range(training.accumulate_grad_batches):
            module.training_step(batch, next(index))
        module.on_train_batch_end(None, batch, 0)

    def forward(batch: Any) -> Any:
        return module.training_step(batch, next(index))

    return Step(
        model=module,
        optimizer=optimizers,
        run=forward if module.automatic_optimization else whole_step,
        batch=experiment.example_batch(training.micro_batch_size),
        micro_batch_size=training.micro_batch_size,
        accumulate_grad_batches=training.accumulate_grad_batches,
        gradient_clip_val=training.gradient_clip_val,
        precision=training.precision,
        after_step=lambda batch: module.on_train_batch_end(None, batch, 0),
    )


def entry_step(found: Any) -> Step:
    """What a `memory:` entry point returned: a Step, or a tuple (model, optimizer, step callable, batch).

    Raises:
        UserError: it is neither.
    """
    if isinstance(found, Step):
        return found
    if isinstance(found, tuple) and len(found) == 4:
        model, optimizer, run, batch = found
        if isinstance(model, nn.Module) and isinstance(optimizer, torch.optim.Optimizer) and callable(run):
            return Step(model=model, optimizer=optimizer, run=run, batch=batch, micro_batch_size=_samples(batch))
    raise UserError(
        f"the memory entry point returned {type(found).__name__}: return gonogo.memory.step.Step "
        "or (model, optimizer, step callable, batch)"
    )


def _samples(batch: Any) -> int:
    """Length of the first tensor in a batch; 1 where there is none."""
    leaves = tree_leaves(batch)
    return next((len(leaf) for leaf in leaves if isinstance(leaf, torch.Tensor) and leaf.dim()), 1)
