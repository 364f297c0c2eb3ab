"""Goes along with a training run: gradients at each step, and the model on held-out samples now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Callback

from gonogo.config.gate_thresholds import LearningGate
from gonogo.forecast.speed import LONGEST_PAUSE, PAID_LOOKS
from gonogo.learning.batches import at_most
from gonogo.learning.data_summary import SampledData, sample_data
from gonogo.learning.early_stop import StopSignal, should_stop, stop_signal
from gonogo.learning.evaluate import THOROUGH, evaluate
from gonogo.learning.gradients import GradientRecord
from gonogo.learning.measurements import Evaluation, Measurements
from gonogo.learning.run_watch import RunWatch
from gonogo.learning.summary import summarized
from gonogo.training.lightning_step import logged_loss
from gonogo.training.ranks import stop
from gonogo.training.spec import StoppedByGateError

if TYPE_CHECKING:
    from gonogo.experiment.lightning import LightningExperiment

SAMPLES = 64  # held-out samples of an evaluation, at most
SMOKE_LOOKS = 12  # over the planned steps


class Watch(Callback):
    """Keeps what `judge` needs, whatever module is trained."""

    looks_planned = SMOKE_LOOKS
    follows_steps = True

    def __init__(self, experiment: LightningExperiment, sampled: SampledData | None = None) -> None:
        self.experiment = experiment
        self.sampled = sampled  # samples of the data; set before the first step
        self.evaluations: list[Evaluation] = []  # one before the first step, then evenly spaced
        self.losses: list[float] = []
        self.gradients: GradientRecord | None = None
        self.run: RunWatch | None = None
        self.spent_s = 0.0  # seconds that looking took, which a run without it would not
        self.prediction_s: list[float] = []  # of each evaluation, seconds that predicting all samples once took
        self._every = 0
        self._step = -1

    def on_train_start(self, trainer: Any, module: Any) -> None:
        began = time.monotonic()
        self.sampled = self.sampled or sample_data(self.experiment, trainer.datamodule, SAMPLES)
        self.spent_s += time.monotonic() - began
        self.gradients = self.gradients or GradientRecord(module)
        planned = trainer.estimated_stepping_batches
        if self.follows_steps:
            self.run = RunWatch(module, trainer.optimizers)
        self._every = self._every or max(1, int(min(planned, 1e9)) // self.looks_planned)
        if not self.evaluations:
            self._evaluate(trainer, module, trainer.global_step)

    def on_before_optimizer_step(self, trainer: Any, module: Any, optimizer: Any) -> None:
        assert self.gradients is not None
        if self.run is not None:
            self.run.before_step(optimizer)
        if optimizer is trainer.optimizers[0]:  # of a module that steps several, one norm a batch
            self.gradients.step(trainer.optimizers)

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
        if self.run is not None:
            self.run.inputs.batch_begins(batch)

    def on_train_end(self, *_: Any) -> None:
        if self.run is not None:
            self.run.end()

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
        if self.run is not None:
            self.run.inputs.batch_ends()
        loss = logged_loss(outputs)
        self.losses += [] if loss is None else [loss]
        step = trainer.global_step
        if step == self._step or not self._due(step):
            return
        self._step = step
        self._evaluate(trainer, module, step)

    def _due(self, step: int) -> bool:
        return step % self._every == 0

    def _evaluate(self, trainer: Any, module: Any, step: int) -> None:
        assert self.sampled is not None
        began = time.monotonic()
        if self.run is not None:
            self.run.looked()
        held_out = at_most(self.experiment, self.sampled.held_out, SAMPLES)
        context = trainer.precision_plugin.val_step_context()
        found = evaluate(
            self.experiment, module, held_out, self.sampled.mean, step, thorough=self._thorough(step), precision=context
        )
        self.evaluations.append(found)
        took_s = time.monotonic() - began
        self.spent_s += took_s
        self.prediction_s.append(took_s / (THOROUGH if self._thorough(step) else 1))

    def _thorough(self, step: int) -> bool:
        return step == 0


class InFlight(Watch):
    """The learning gate on a paid run: judges each evaluation, and stops a run that cannot come to anything.

    Every evaluation is a line of `OUT/in_flight.jsonl`.

    Raises:
        StoppedByGateError: from `on_train_batch_end`, after the checkpoint was kept.
    """

    looks_planned = PAID_LOOKS
    follows_steps = False

    def __init__(
        self, experiment: LightningExperiment, gate: LearningGate, out: Path, say: Callable[[str], None]
    ) -> None:
        super().__init__(experiment)
        self.gate, self.out, self.say = gate, out, say
        self.signals: list[StopSignal] = []
        self._took_s, self._took_in_all_s, self._ended_at = 0.0, 0.0, 0.0

    def _thorough(self, step: int) -> bool:
        return True

    def _due(self, step: int) -> bool:
        rested_s = time.monotonic() - self._ended_at
        return super()._due(step) and rested_s >= pause_s(self._took_s, self._took_in_all_s)

    def _evaluate(self, trainer: Any, module: Any, step: int) -> None:
        began = time.monotonic()
        super()._evaluate(trainer, module, step)
        signal = stop_signal(self.measured(trainer, module), self.gate)
        self.signals.append(signal)
        self.out.mkdir(parents=True, exist_ok=True)
        with (self.out / "in_flight.jsonl").open("a") as lines:
            lines.write(signal.line(self.evaluations[-1]) + "\n")
        self._ended_at = time.monotonic()
        self._took_s = self._ended_at - began
        self._took_in_all_s += self._took_s
        share = step / max(1, trainer.estimated_stepping_batches)
        self.say(f"held-out skill {self.evaluations[-1].skill:.3f} at step {step}{signal.as_text()}")
        if should_stop(self.signals, share):
            error = StoppedByGateError(signal.cause, f"{signal.cause} at step {step}: {signal.why}")
            stop(trainer, self.out / "checkpoints" / "last.ckpt", error)

    def measured(self, trainer: Any, module: Any) -> Measurements:
        """So far, without a batch fitted alone; trained samples are evaluated, too."""
        assert self.sampled is not None and self.gradients is not None
        seen = at_most(self.experiment, self.sampled.seen, SAMPLES)
        context = trainer.precision_plugin.val_step_context()
        on_seen = evaluate(
            self.experiment,
            module,
            seen,
            self.sampled.mean,
            self.evaluations[-1].step,
            thorough=False,
            precision=context,
        )
        return summarized(
            self.evaluations,
            self.losses,
            data=self.sampled.summary,
            gradients=self.gradients.report(),
            seen_skill=on_seen.skill,
        )


def pause_s(took_s: float, in_all_s: float) -> float:
    """Between two evaluations of a paid run: as many times the last one's length as all so far took seconds.

    Of a minute's training they take ten seconds, of ten minutes' 35, of a long one's 2 %.
    """
    return took_s * min(in_all_s, LONGEST_PAUSE)
