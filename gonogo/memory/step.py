"""The training step of an experiment, as the trace is given it."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gonogo.base.errors import UserError
from gonogo.config.command import placeholders
from gonogo.config.experiment import Training
from gonogo.experiment.command import CommandExperiment
from gonogo.experiment.contract import Experiment
from gonogo.experiment.lightning import LightningExperiment
from gonogo.experiment.step import Step
from gonogo.memory.builders import from_entry
from gonogo.training.lightning_step import training_step
from gonogo.training.manual_optimization import optimizers_of, without_trainer

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule

    from gonogo.experiment.step import Optimizers

PLANNED = ("accumulate_grad_batches", "precision")  # keys of a step that the memory plan varies, besides its batch


def step_of(experiment: Experiment, training: Training, beside: Mapping[str, Any] | None = None) -> Step:
    """A training step of this experiment, in the phase that needs most memory.

    Raises:
        UserError: there is none; the memory gate then says UNKNOWN.
    """
    match experiment:
        case LightningExperiment():
            return lightning_step(experiment, training, beside)
        case CommandExperiment():
            return _command_step(experiment, training)
    raise TypeError(f"{experiment.name}: {type(experiment).__name__} is neither trained by Lightning nor by commands")


def lightning_step(
    experiment: LightningExperiment, training: Training, beside: Mapping[str, Any] | None = None
) -> Step:
    """The step that Lightning's Trainer would run, and what it runs beside it.

    Args:
        beside: fields of the Step that say what the loaders make (`Loaders.batches`); None: they were not read.
    """
    module = experiment.module(training)
    experiment.heaviest(module, training)
    _silence_metrics(module)
    index = iter(range(1 << 30))

    def optimizers() -> Optimizers:
        found = optimizers_of(module)
        if not module.automatic_optimization:
            without_trainer(module, found, training.gradient_clip_val)
        return found[0] if len(found) == 1 else found

    def whole_step(batch: Any) -> None:
        for _ in range(training.accumulate_grad_batches):
            training_step(module, batch, next(index))
        module.on_train_batch_end(None, batch, 0)

    def forward(batch: Any) -> Any:
        return training_step(module, batch, next(index))

    return Step(
        model=module,
        optimizer=optimizers,
        run=forward if module.automatic_optimization else whole_step,
        batch=experiment.example_batch(training.micro_batch_size),
        micro_batch_size=training.micro_batch_size,
        accumulate_grad_batches=training.accumulate_grad_batches,
        devices=training.cards,
        strategy="fsdp" if training.shards_weights else "ddp",
        gradient_clip_val=training.gradient_clip_val,
        precision=training.precision,
        after_step=lambda batch: module.on_train_batch_end(None, batch, 0),
        validate=_validation(module),
        checkpoint=lambda saved: _through_hooks(module, saved),
        release=module.on_train_epoch_end,
        **(beside or {}),
    )


def _validation(module: LightningModule) -> Callable[[Any], Any] | None:
    """A validation step as Lightning calls it; None where the module has none."""
    from lightning.pytorch.utilities.model_helpers import is_overridden

    if not is_overridden("validation_step", module):
        return None
    step: Any = module.validation_step
    alone = len(inspect.signature(step).parameters) == 1
    return lambda batch: step(batch) if alone else step(batch, 0)


def _through_hooks(module: LightningModule, saved: dict[str, Any]) -> None:
    module.on_save_checkpoint(saved)
    module.on_load_checkpoint(saved)


def _silence_metrics(module: LightningModule) -> None:
    """Let metrics of torchmetrics take in nothing: what they count depends on values, which a trace does not have."""
    torchmetrics: Any = sys.modules.get("torchmetrics")
    for part in module.modules() if torchmetrics else ():
        if isinstance(part, torchmetrics.Metric):
            part.forward = part.update = part.compute = _nothing


def _nothing(*args: Any, **kwargs: Any) -> Any:
    import torch

    return torch.zeros(())


def _command_step(experiment: CommandExperiment, training: Training) -> Step:
    """What the entry point `memory:` returns, in the precision and accumulation that `train` has placeholders for."""
    if not experiment.config.memory:
        raise UserError("no `memory:` entry point is given (docs/bring-your-own.md)")
    step = from_entry(experiment.config.memory, training.micro_batch_size)
    passed = placeholders(experiment.command.train)
    return dataclasses.replace(step, **{key: getattr(training, key) for key in PLANNED if key in passed})
