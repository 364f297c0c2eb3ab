"""A Lightning module around a model whose step, answer and optimizer are given as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightning.pytorch import LightningModule
from torch import Tensor, nn


class StepModule(LightningModule):
    """Trains `model`, which may be any; its checkpoints hold that model's weights below `model.`.

    Args:
        loss, predict, optimizer: of the model, and of a batch where there is one.
        held_out: error of the model's answers to a batch, and how many samples it is of.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[nn.Module, Any], Tensor],
        predict: Callable[[nn.Module, Any], Tensor],
        optimizer: Callable[[nn.Module, int | None], Any],
        held_out: Callable[[LightningModule, Any], tuple[float, int]],
    ) -> None:
        super().__init__()
        self.model = model
        self._loss, self._answer, self._optimizer, self._held_out = loss, predict, optimizer, held_out

    def training_step(self, batch: Any, index: int) -> Tensor:
        return self._loss(self.model, batch)

    def validation_step(self, batch: Any, index: int) -> None:
        error, samples = self._held_out(self, batch)
        self.log("val_loss", error, batch_size=samples)

    def predict_step(self, batch: Any, index: int) -> Tensor:
        return self._answer(self.model, batch)

    def configure_optimizers(self) -> Any:
        """Schedules know how many steps there are only where a Trainer runs them."""
        planned = int(min(self.trainer.estimated_stepping_batches, 1e9)) if self._trainer is not None else None
        return self._optimizer(self.model, planned)
