"""`gonogo.huggingface`: a Trainer of transformers, with its model, data, collator, loss and optimizer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import nn

from gonogo.adapters import loaders as given_loaders
from gonogo.adapters.batch_parts import outputs_of
from gonogo.adapters.copies import fresh, optimizer_like
from gonogo.adapters.project import Part, ProjectAdapter
from gonogo.adapters.step_module import StepModule
from gonogo.base.errors import UserError

NEEDED = ("model", "args", "compute_loss", "get_train_dataloader", "get_eval_dataloader", "create_optimizer")


class HuggingFaceAdapter(ProjectAdapter):
    """What a transformers.Trainer holds."""

    def __init__(
        self, trainer: Any, inputs: Part | None, targets: Part | None, predict: Callable[..., Any] | None
    ) -> None:
        super().__init__(inputs, targets)
        for name in (
            "model",
            "args",
            "compute_loss",
            "get_train_dataloader",
            "get_eval_dataloader",
            "create_optimizer",
        ):
            if not hasattr(trainer, name):
                raise UserError(f"trainer: a {type(trainer).__name__} has no `{name}`; give a transformers.Trainer")
        self._trainer, self._predict = trainer, predict

    def module(self) -> LightningModule:
        model = fresh(self._trainer.model)
        trainer = self._trainer_of(model)
        return StepModule(
            model,
            lambda model, batch: trainer.compute_loss(model, dict(batch)),
            lambda model, batch: self.task.outputs(outputs_of(self._answer_of(model, batch))),
            lambda model, planned: self._optimizer_of(trainer, model, planned),
            self.held_out,
        )

    def loaders(self, micro_batch_size: int) -> tuple[Any, Any]:
        trainer = copy.copy(self._trainer)
        if micro_batch_size:
            trainer.args = copy.copy(trainer.args)
            trainer.args.per_device_train_batch_size = trainer.args.per_device_eval_batch_size = micro_batch_size
            trainer._train_batch_size = micro_batch_size
        if trainer.train_dataset is None or trainer.eval_dataset is None:
            missing = "train_dataset" if trainer.train_dataset is None else "eval_dataset"
            raise UserError(f"trainer: it has no {missing}; held-out items tell skill: Trainer(…, {missing}=…)")
        train, held_out = trainer.get_train_dataloader(), trainer.get_eval_dataloader()
        # accelerate's loaders claim to be stateful, and are not
        return given_loaders.BatchesAlone(train), given_loaders.ending(given_loaders.BatchesAlone(held_out))

    def micro_batch_size(self) -> int:
        return int(self._trainer.args.train_batch_size)

    def answer(self, module: LightningModule, batch: Any) -> Any:
        return self._answer_of(module.model, batch)  # type: ignore[arg-type]

    def loss_value(self, module: LightningModule, batch: Any) -> float | None:
        model: Any = module.model
        return float(self._trainer_of(model).compute_loss(model, dict(batch)))

    def training_keys(self) -> dict[str, Any]:
        args = self._trainer.args
        precision = "bf16-mixed" if args.bf16 else "16-mixed" if args.fp16 else "32-true"
        return {
            "accumulate_grad_batches": int(args.gradient_accumulation_steps),
            "gradient_clip_val": float(args.max_grad_norm or 0),
            "precision": precision,
        }

    def _trainer_of(self, model: nn.Module) -> Any:
        trainer = copy.copy(self._trainer)
        trainer.model = trainer.model_wrapped = model
        trainer.optimizer = trainer.lr_scheduler = None
        return trainer

    def _answer_of(self, model: nn.Module, batch: Any) -> Any:
        return model(**dict(batch)) if self._predict is None else self._predict(model, batch)

    def _optimizer_of(self, trainer: Any, model: nn.Module, planned: int | None) -> Any:
        own = self._trainer.optimizer
        if isinstance(getattr(own, "optimizer", own), torch.optim.Optimizer):
            made = optimizer_like(getattr(own, "optimizer", own), self._trainer.model, model)
        else:
            trainer.optimizer = None
            made = trainer.create_optimizer()
        if planned is None:
            return made
        trainer.lr_scheduler = None
        schedule = trainer.create_scheduler(planned, made)
        return {"optimizer": made, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def huggingface(
    trainer: Any,
    *,
    inputs: Part | None = None,
    targets: Part | None = None,
    predict: Callable[[nn.Module, Any], Any] | None = None,
) -> HuggingFaceAdapter:
    """An experiment of a transformers.Trainer, which is left as it is.

    Args:
        trainer: with model, train_dataset and eval_dataset; its own loss, collator and optimizer are used.
        inputs, targets: of a batch; nothing for the usual names.
        predict: of (model, batch): the answer that is held against the targets; nothing for `logits`.

    Raises:
        UserError: it is no Trainer, or one without held-out data.
    """
    return HuggingFaceAdapter(trainer, inputs, targets, predict)
