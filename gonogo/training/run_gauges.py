"""The gauges of a run that Lightning trains: logged beside its metrics, and held to their bounds."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback

from gonogo.training.gauges import GaugeWatch, GpuGauges, Reestimate
from gonogo.training.lightning_step import logged_loss
from gonogo.training.ranks import stop
from gonogo.training.spec import BUDGET, WATCH, RunSpec, StoppedError
from gonogo.training.success_indicators import epochs_done


class RunGauges(Callback):
    """Logs seconds a step, samples a second, and the GPU's memory, use and temperature, as often as metrics are.

    And the training loss, where the module does not log one by that name itself.

    Time of validations does not count as that of steps.

    Raises:
        StoppedError: from `on_train_batch_end`, after the checkpoint was kept: a gauge is beyond a bound that stops, or
            the run would go beyond its limit.
    """

    def __init__(self, spec: RunSpec, out: Path, say: Callable[[str], None]) -> None:
        self._training, self._out, self._watched = spec.training, out, spec.watched
        self._gpu = GpuGauges()
        self._watch = GaugeWatch(spec.experiment_config.watch if spec.watched else {}, say)
        self._estimate = Reestimate(spec.limit if spec.watched else None, out, say)
        self._since = self._validation_began = 0.0
        self._batches, self._step = 0, -1

    @property
    def alerts(self) -> list[str]:
        """Gauges that were beyond their bounds when they were judged last."""
        return self._watch.alerts

    def on_train_start(self, *_: Any) -> None:
        self._since = time.monotonic()

    def on_validation_start(self, *_: Any) -> None:
        self._validation_began = time.monotonic()

    def on_validation_end(self, *_: Any) -> None:
        self._since += time.monotonic() - self._validation_began

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
        self._batches += 1
        reason = self._beyond_limit(trainer, index)
        if reason:
            self._stop(trainer, BUDGET, reason)
        step = trainer.global_step
        if step == self._step or step % self._training.log_every_steps:
            return
        now = time.monotonic()
        seconds, batches = max(1e-9, now - self._since), self._batches
        gauges = {
            "step_s": seconds / batches * self._training.accumulate_grad_batches,
            "samples_per_s": batches * self._training.micro_batch_size * self._training.cards / seconds,
            **self._gpu.read(),
        }
        self._step, self._since, self._batches = step, now, 0
        own = "train_loss" in trainer.logged_metrics or (loss := logged_loss(outputs)) is None
        for logger in trainer.loggers:
            logger.log_metrics(gauges if own else {**gauges, "train_loss": loss}, step)
        if reason := self._watch.take(gauges, epochs_done(trainer)):
            self._stop(trainer, WATCH, reason)

    def _beyond_limit(self, trainer: Any, index: int) -> str:
        """By batches: a module that steps several optimizers has more steps than these."""
        epoch_batches, epochs = trainer.num_training_batches, trainer.max_epochs or 0
        if not self._watched or epochs < 1:
            return ""
        done = trainer.current_epoch * epoch_batches + index + 1
        return self._estimate.take(done, epochs * epoch_batches, epoch_batches)

    def _stop(self, trainer: Any, cause: str, reason: str) -> None:
        stop(trainer, self._out / "checkpoints" / "last.ckpt", StoppedError(cause, reason))
