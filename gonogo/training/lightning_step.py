"""Lightning's training step in any of the forms that Lightning allows, called without its Trainer."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gonogo.base.errors import UserError

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule


def training_step(module: LightningModule, batch: Any, index: int) -> Any:
    """What the module's step returns; some take the batch alone."""
    step: Any = module.training_step
    alone = len(inspect.signature(step).parameters) == 1
    return step(batch) if alone else step(batch, index)


def loss_of(returned: Any) -> Any | None:
    """The loss tensor; None where the step returned None, which asks for this batch to be skipped.

    Raises:
        UserError: a dict without `loss`.
    """
    if not isinstance(returned, Mapping):
        return returned
    if "loss" not in returned:
        keys = ", ".join(map(str, returned)) or "nothing"
        raise UserError(
            f"training_step returned a dict without `loss`, but with {keys}: return the loss, or a dict with it"
        )
    return returned["loss"]


def logged_loss(outputs: Any) -> float | None:
    """Of what `on_train_batch_end` is given; None where the batch was skipped or no loss was returned."""
    found = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
    return None if found is None else float(found)
