"""Modules with manual optimization (`automatic_optimization = False`), as a GAN with its two optimizers.

Their `training_step` calls `self.manual_backward` and steps `self.optimizers()`, and returns the loss. Lightning
refuses a Trainer that clips or accumulates for them: clipping is done here before each optimizer's step, accumulation
is the module's own (`training.accumulate_grad_batches`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.optim import Optimizer

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule


def optimizers_of(module: LightningModule) -> list[Optimizer]:
    """The module's own optimizers, in any of the shapes that Lightning allows; no Trainer needed."""
    configured: Any = module.configure_optimizers()
    if isinstance(configured, tuple) and len(configured) == 2 and isinstance(configured[0], list):
        configured = configured[0]  # (optimizers, schedulers)
    each = configured if isinstance(configured, (list, tuple)) else [configured]
    return [one["optimizer"] if isinstance(one, dict) else one for one in each]


def without_trainer(
    module: LightningModule, optimizers: Sequence[Optimizer], clip: float, before_step: Callable[[], None] | None = None
) -> None:
    """Let `training_step` of a module with manual optimization do its whole step without a Trainer.

    Args:
        clip: L2 norm of each optimizer's gradients; 0: off.
        before_step: called before the first optimizer's steps, gradients not yet clipped.
    """
    found: Any = module
    found.optimizers = lambda use_pl_optimizer=True: list(optimizers) if len(optimizers) > 1 else optimizers[0]
    found.manual_backward = lambda loss, *args, **kwargs: loss.backward(*args, **kwargs)
    if before_step is not None:
        optimizers[0].register_step_pre_hook(lambda *_: before_step())
    clip_before_steps(optimizers, clip)


def clip_before_steps(optimizers: Sequence[Optimizer], norm: float) -> None:
    """Clip each optimizer's gradients to this L2 norm before its steps; 0: not at all.

    A gradient scaler has taken back its scale by then.
    """

    def clip(optimizer: Optimizer, *_: Any) -> None:
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, norm)

    for optimizer in optimizers if norm else ():
        optimizer.register_step_pre_hook(clip)


def without_step_count(optimizer: Any) -> Any:
    """The optimizer, whose steps Lightning will not count in `global_step` during this batch.

    Lightning counts every optimizer's steps: a GAN would come to its `max_steps` in half the batches.
    """
    if hasattr(optimizer, "_on_before_step"):
        optimizer._on_before_step = optimizer._on_after_step = lambda: None
    return optimizer
