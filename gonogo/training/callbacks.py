"""What goes along with every training run: its record, its pictures and kept checkpoints, its longer schedules."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint

from gonogo.training.lightning_step import logged_loss
from gonogo.training.manual_optimization import clip_before_steps
from gonogo.training.ranks import first_of_ranks, mean_of_ranks, predict_on_first

if TYPE_CHECKING:
    from gonogo.config.experiment import Training
    from gonogo.experiment.lightning import LightningExperiment
    from gonogo.training.spec import RunSpec


class NonFiniteLossError(RuntimeError):
    """The loss became NaN or infinite; training cannot recover from it."""

    def __init__(self, message: str, bad_batch: str) -> None:
        super().__init__(message)
        self.bad_batch = bad_batch  # `inputs` or `targets` of the batch, where they were at fault


class Recorder(Callback):
    """Keeps losses and step times, says a line a second, and stops at the first loss that is not finite.

    Raises:
        NonFiniteLossError: from `on_train_batch_end`.
    """

    def __init__(self, experiment: LightningExperiment, spec: RunSpec, say: Callable[[str], None]) -> None:
        self._experiment, self._spec, self._say = experiment, spec, say
        self.train_loss: list[float] = []
        self.val_steps: list[int] = []
        self.val_loss: list[float] = []
        self.step_s: list[float] = []
        self.validating = False
        self._batch_started = self._printed = 0.0

    def on_validation_start(self, *_: Any) -> None:
        self.validating = True

    def on_train_batch_start(self, *_: Any) -> None:
        self._batch_started = time.perf_counter()

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
        self.step_s.append(time.perf_counter() - self._batch_started)
        loss = logged_loss(outputs)
        if loss is None:  # Lightning skipped the batch, as its training_step asked for
            return
        loss = mean_of_ranks(trainer, loss)
        self.train_loss.append(loss)
        if not -float("inf") < loss < float("inf"):
            bad = first_of_ranks(trainer, self._not_finite(batch))
            found = f": the batch's {bad} hold NaN or infinity" if bad else ""
            if bad and not self._experiment.measure().counts(self._experiment.targets(batch)):
                found = ": the loss leaves out every target of the batch"
            raise NonFiniteLossError(f"the loss is {loss} at step {trainer.global_step}{found}", bad)
        last = trainer.global_step == trainer.estimated_stepping_batches
        if last or time.monotonic() - self._printed > 1.0:
            self._printed = time.monotonic()
            epochs = self._spec.training.epochs
            epoch = f"epoch {trainer.current_epoch + 1}/{epochs}  " if self._spec.max_steps is None else ""
            self._say(
                f"step {trainer.global_step}/{int(trainer.estimated_stepping_batches)}  {epoch}"
                f"loss {loss:.4f}  {self.step_s[-1]:.3f} s/step"
            )

    def on_validation_end(self, trainer: Any, module: Any) -> None:
        self.validating = False
        self.val_steps.append(trainer.global_step)
        self.val_loss.append(float(trainer.callback_metrics["val_loss"]))

    def on_save_checkpoint(self, trainer: Any, module: Any, checkpoint: dict[str, Any]) -> None:
        """A learning rate that numpy computed is saved as a number: what reads checkpoints runs nothing of them."""
        for key in {"optimizer_states", "lr_schedulers"} & checkpoint.keys():
            checkpoint[key] = _as_numbers(checkpoint[key])

    def _not_finite(self, batch: Any) -> str:
        """Which part of the batch is not finite, if any."""
        parts = {"targets": self._experiment.targets(batch), "inputs": self._experiment.inputs(batch)}
        if not self._experiment.measure().counts(parts["targets"]):
            return "targets"
        return next((name for name, values in parts.items() if not bool(values.isfinite().all())), "")


def _as_numbers(value: Any) -> Any:
    """The same, with Python's numbers in the place of numpy's."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: _as_numbers(each) for key, each in value.items()}
    return [_as_numbers(each) for each in value] if type(value) is list else value


class BeforeValidation(Callback):
    """Saves `last.ckpt` before a run's first validation, which may be what it fails in."""

    def __init__(self, checkpoints: Path) -> None:
        self._path = checkpoints / "last.ckpt"

    def on_validation_start(self, trainer: Any, module: Any) -> None:
        if not trainer.strategy.broadcast(self._path.exists()):  # the first process writes it while others ask
            trainer.save_checkpoint(self._path)


class Periodic(Callback):
    """Every few epochs a checkpoint that is kept, and a picture of predictions of the same held-out batch."""

    def __init__(self, experiment: LightningExperiment, training: Training, out: Path) -> None:
        self._experiment, self._training, self._out = experiment, training, out

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        epoch = trainer.current_epoch + 1
        if epoch % self._training.checkpoint_every_epochs == 0:
            trainer.save_checkpoint(self._out / "checkpoints" / f"epoch_{epoch:04d}.ckpt")
        due = epoch % self._training.sample_every_epochs == 0 or epoch == trainer.max_epochs
        if due:
            self._picture(trainer, module, self._out / "samples" / f"epoch_{epoch:04d}" / "predictions.png")

    def _picture(self, trainer: Any, module: Any, path: Path) -> None:
        batch = trainer.strategy.batch_to_device(next(iter(trainer.datamodule.val_dataloader())))
        outputs = predict_on_first(trainer, module, batch)
        if outputs is not None:
            with torch.no_grad():
                self._experiment.show(batch, outputs, path)


class StretchedSchedules(Callback):
    """Takes a resumed run's learning-rate schedules for those of a longer run, at the step that was reached.

    Restored as they were they would have ended, and some refuse to go beyond their end.
    """

    def __init__(self) -> None:
        self._fresh = False

    def on_load_checkpoint(self, trainer: Any, module: Any, checkpoint: dict[str, Any]) -> None:
        self._fresh = not any("best" in state for state in checkpoint["lr_schedulers"])  # those look at a metric
        if self._fresh:
            checkpoint["lr_schedulers"] = []

    def on_train_start(self, trainer: Any, module: Any) -> None:
        for config in trainer.lr_scheduler_configs if self._fresh else []:
            scheduler: Any = config.scheduler
            for group, rate in zip(scheduler.optimizer.param_groups, scheduler.get_last_lr(), strict=True):
                group["lr"] = rate
            reached = trainer.global_step if config.interval == "step" else trainer.current_epoch
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that no optimizer step came between
                for _ in range(reached // config.frequency):
                    scheduler.step()


def best_few(training: Training, checkpoints: Path) -> Callback:
    """Keeps the best few by a validation metric, their values in their names: `top/psnr_db_25.10_step_000400.ckpt`."""
    metric = training.best_by.lstrip("+-")
    return _Top(
        checkpoints / "top",
        filename=f"{metric}_{{{metric}:.4f}}_step_{{step:06d}}",
        auto_insert_metric_name=False,
        monitor=metric,
        mode="max" if training.best_by.startswith("+") else "min",
        save_top_k=training.keep_best,
    )


def every_few_steps(training: Training, checkpoints: Path) -> Callback:
    """Keeps the newest of those saved every few steps: `step_000400.ckpt`. A long epoch is resumed from there."""
    return _ByStep(
        checkpoints,
        filename="step_{step:06d}",
        auto_insert_metric_name=False,
        every_n_train_steps=training.checkpoint_every_steps,
    )


class _ByStep(ModelCheckpoint):
    """With a state of its own in checkpoints, too."""


class _Top(ModelCheckpoint):
    """With a state of its own in checkpoints, whatever it looks at."""


class Clipping(Callback):
    """Gradient clipping for a module with manual optimization, for which the Trainer refuses to do it."""

    def __init__(self, training: Training) -> None:
        self._norm = training.gradient_clip_val

    def on_fit_start(self, trainer: Any, module: Any) -> None:
        clip_before_steps(trainer.optimizers, self._norm)
