"""`gonogo.torch`: model, optimizer, loss and loaders of a plain training script."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch as t
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from gonogo.adapters import loaders as given_loaders
from gonogo.adapters.batch_parts import TARGETS, described, loss_in, outputs_of
from gonogo.adapters.copies import fresh, optimizer_like
from gonogo.adapters.project import Part, ProjectAdapter
from gonogo.adapters.step_module import StepModule
from gonogo.adapters.tasks import broadcast_fault
from gonogo.base.errors import UserError

OF_MODEL = ("model", "net", "network", "module")  # first argument of a function that wants the model


class TorchAdapter(ProjectAdapter):
    """Model, optimizer, loss and loaders, as `torch` takes them."""

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        loss: Callable[..., Any] | None,
        loaders: Any,
        inputs: Part | None,
        targets: Part | None,
        predict: Callable[[nn.Module, Any], Any] | None,
    ) -> None:
        super().__init__(inputs, targets)
        if not callable(model):
            raise UserError(f"model: a {type(model).__name__} is no torch.nn.Module, and no function that makes one")
        if not isinstance(optimizer, t.optim.Optimizer) and not callable(optimizer):
            raise UserError("optimizer: give one, its class, or a function: lambda parameters: Adam(parameters)")
        self._model, self._optimizer, self._loss, self._predict = model, optimizer, loss, predict
        self._loaders = given_loaders.pair(loaders)

    def module(self) -> LightningModule:
        return StepModule(
            fresh(self._model),
            self._loss_of,
            lambda model, batch: self.task.outputs(outputs_of(self._answer_of(model, batch))),
            self._optimizer_of,
            self.held_out,
        )

    def loaders(self, micro_batch_size: int) -> tuple[Any, Any]:
        train, held_out = self._loaders
        return (
            given_loaders.opened(train, micro_batch_size, "training"),
            given_loaders.ending(given_loaders.opened(held_out, micro_batch_size, "validation")),
        )

    def answer(self, module: LightningModule, batch: Any) -> Any:
        return self._answer_of(module.model, batch)  # type: ignore[arg-type]

    def loss_value(self, module: LightningModule, batch: Any) -> float | None:
        model: Any = module.model
        if self._loss is not None and not self._takes_model:
            outputs, targets = outputs_of(self._forward(model, batch)), self._targets_of(batch)
            if fault := broadcast_fault(self._loss, outputs, targets):
                raise UserError(f"loss: {fault}")
        return float(self._loss_of(model, batch))

    @functools.cached_property
    def _takes_model(self) -> bool:
        assert self._loss is not None
        if isinstance(self._loss, nn.Module):
            return False
        return next(iter(inspect.signature(self._loss).parameters), "") in OF_MODEL

    def _loss_of(self, model: nn.Module, batch: Any) -> Tensor:
        if self._loss is None:
            found = loss_in(self._forward(model, batch))
            if found is None:
                raise UserError("loss: the model returns none of its own; say loss=lambda outputs, targets: …")
        elif self._takes_model:
            found = self._loss(model, batch)
        else:
            found = self._loss(outputs_of(self._forward(model, batch)), self._targets_of(batch))
        if not isinstance(found, Tensor) or found.numel() != 1:
            raise UserError(f"loss: it should return one number, and returns {described(found)}")
        return found

    def _answer_of(self, model: nn.Module, batch: Any) -> Any:
        return self._forward(model, batch) if self._predict is None else self._predict(model, batch)

    def _forward(self, model: nn.Module, batch: Any) -> Any:
        """Of a dict, what `forward` has arguments for; of anything else, its input."""
        if isinstance(batch, Mapping):
            accepted = inspect.signature(model.forward).parameters
            named = {key: value for key, value in batch.items() if key in accepted}
            if any(key not in TARGETS for key in named):
                return model(**named)
        return model(self.inputs(batch))

    def _optimizer_of(self, model: nn.Module, planned: int | None) -> Any:
        found: Any = self._optimizer
        if isinstance(found, t.optim.Optimizer):
            if not isinstance(self._model, nn.Module):
                raise UserError("optimizer: where a function makes the model, it must be one too: lambda parameters: …")
            return optimizer_like(found, self._model, model)
        wants = next(iter(inspect.signature(found).parameters), "")
        made = found(model if wants in OF_MODEL else model.parameters())
        if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], t.optim.Optimizer):
            return {"optimizer": made[0], "lr_scheduler": {"scheduler": made[1], "interval": "step"}}
        return made


def torch(
    *,
    model: Any,
    optimizer: Any,
    loaders: Any,
    loss: Callable[..., Any] | None = None,
    inputs: Part | None = None,
    targets: Part | None = None,
    predict: Callable[[nn.Module, Any], Any] | None = None,
) -> TorchAdapter:
    """An experiment of a plain PyTorch project, whose objects are left as they are.

    Args:
        model: a module, or a function that makes one (models too large for this machine: the memory gate builds them
            without values).
        optimizer: one, its class, or a function of the parameters (or of the `model`) that makes it; it may return
            (optimizer, schedule), and the schedule is stepped with it.
        loaders: (training, validation), as DataLoaders, lists of batches or functions that make them.
        loss: of (outputs, targets), or of (model, batch); nothing where the model returns its own.
        inputs, targets: of a batch; nothing for pairs and for dicts with the usual names.
        predict: of (model, batch): the answer that is held against the targets; logits, probabilities or quantities.

    Raises:
        UserError: something of it is missing or of the wrong type.
    """
    return TorchAdapter(model, optimizer, loss, loaders, inputs, targets, predict)
