"""`gonogo.lightning`: a LightningModule and its LightningDataModule, as they are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor

from gonogo.adapters import loaders as given_loaders
from gonogo.adapters.copies import fresh
from gonogo.adapters.no_trainer import NoTrainer
from gonogo.adapters.project import Part, ProjectAdapter
from gonogo.base.errors import UserError
from gonogo.training.lightning_step import loss_of, training_step

VAL_LOSS = "val_loss"


class Watched:
    """Mixed into a copy's class: its answers in the measure's shape, a `val_loss`, and steps without a Trainer."""

    adapter: LightningAdapter
    _logged: bool

    def validation_step(self, *args: Any, **kwargs: Any) -> Any:
        self._logged = False
        found = super().validation_step(*args, **kwargs)  # type: ignore[misc]
        if not self._logged:
            error, samples = self.adapter.held_out(self, args[0] if args else kwargs["batch"])  # type: ignore[arg-type]
            self.log(VAL_LOSS, error, batch_size=samples, on_epoch=True)
        return found

    def log(self, name: str, *args: Any, **kwargs: Any) -> None:
        self._logged = getattr(self, "_logged", False) or name == VAL_LOSS
        if not isinstance(self._trainer, NoTrainer):  # type: ignore[attr-defined]
            super().log(name, *args, **kwargs)  # type: ignore[misc]

    def log_dict(self, dictionary: Any, *args: Any, **kwargs: Any) -> None:
        self._logged = getattr(self, "_logged", False) or VAL_LOSS in dictionary
        if not isinstance(self._trainer, NoTrainer):  # type: ignore[attr-defined]
            super().log_dict(dictionary, *args, **kwargs)  # type: ignore[misc]

    def predict_step(self, *args: Any, **kwargs: Any) -> Tensor:
        return self.adapter.outputs(self, args[0] if args else kwargs["batch"])  # type: ignore[arg-type]

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        if not isinstance(self._trainer, NoTrainer):  # type: ignore[attr-defined]
            super().on_train_batch_end(*args, **kwargs)  # type: ignore[misc]


class LightningAdapter(ProjectAdapter):
    """A module, or a function that makes one, and its data module or two loaders."""

    def __init__(
        self,
        module: Any,
        data: Any,
        inputs: Part | None,
        targets: Part | None,
        predict: Callable[[LightningModule, Any], Any] | None,
    ) -> None:
        super().__init__(inputs, targets)
        if not isinstance(module, LightningModule) and (isinstance(module, torch.nn.Module) or not callable(module)):
            raise UserError(
                f"module: a {type(module).__name__} is no LightningModule, and no function that makes one; for another "
                "kind of model there is gonogo.torch"
            )
        self._module, self._data, self._predict = module, data, predict

    def module(self) -> LightningModule:
        found: Any = fresh(self._module)
        if not isinstance(found, LightningModule):
            raise UserError(f"module: the function returns a {type(found).__name__}, not a LightningModule")
        kind: Any = type(found)
        found.__class__ = _watched(kind)
        vars(found)["adapter"] = self
        vars(found)["_trainer"] = NoTrainer(found, self._data)
        return found

    def loaders(self, micro_batch_size: int) -> tuple[Any, Any]:
        train, held_out = self._given
        return (
            given_loaders.opened(train, micro_batch_size, "training"),
            given_loaders.ending(given_loaders.opened(held_out, micro_batch_size, "validation")),
        )

    @functools.cached_property
    def _given(self) -> tuple[Any, Any]:
        if not isinstance(self._data, LightningDataModule):
            return given_loaders.pair(self._data)
        self._data.prepare_data()
        self._data.setup("fit")
        train, held_out = _first(self._data.train_dataloader()), _first(self._data.val_dataloader())
        return given_loaders.pair((train, held_out))

    def answer(self, module: LightningModule, batch: Any) -> Any:
        if self._predict is not None:
            return self._predict(module, batch)
        return module(self.inputs(batch))

    def loss_value(self, module: LightningModule, batch: Any) -> float | None:
        if not module.automatic_optimization:
            return None
        found = loss_of(training_step(module, batch, 0))
        return None if found is None else float(found)


@functools.cache
def _watched(kind: Any) -> Any:
    return type(kind.__name__, (Watched, kind), {"__module__": kind.__module__, "__doc__": kind.__doc__})


def _first(loaders: Any) -> Any:
    """Of several validation loaders the first."""
    return loaders[0] if isinstance(loaders, (list, tuple)) and loaders else loaders


def lightning(
    module: Any,
    data: Any,
    *,
    inputs: Part | None = None,
    targets: Part | None = None,
    predict: Callable[[LightningModule, Any], Any] | None = None,
) -> LightningAdapter:
    """An experiment of a LightningModule and its data, which are left as they are.

    Args:
        module: the module, or a function that makes one.
        data: a LightningDataModule, or (training, validation) loaders.
        inputs, targets: of a batch; nothing for pairs and for dicts with the usual names.
        predict: of (module, batch): the answer that is held against the targets; nothing where `module(inputs)` gives
            it.

    Raises:
        UserError: it is not a LightningModule.
    """
    return LightningAdapter(module, data, inputs, targets, predict)
