"""The local rehearsal: a short real training run, and the questions that a loss curve does not answer."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule

from gonogo.config.experiment import Smoke
from gonogo.config.gate_thresholds import LearningGate
from gonogo.experiment.lightning import LightningExperiment
from gonogo.forecast.hardware_probe import bandwidth_gb_s, tflops_fp32
from gonogo.forecast.speed import Speed
from gonogo.learning.batches import at_most
from gonogo.learning.callback import SAMPLES, Watch
from gonogo.learning.data_summary import look_at
from gonogo.learning.ema import initial_share
from gonogo.learning.evaluate import THOROUGH, evaluate
from gonogo.learning.input_reach import modules_that_see
from gonogo.learning.judge import judge
from gonogo.learning.measurements import Evaluation, Measurements, OneBatch, number
from gonogo.learning.overfit import overfit_one_batch, try_other_rates
from gonogo.learning.summary import summarized
from gonogo.training.lightning_run import joined, train_lightning
from gonogo.training.spec import RunSpec, TrainingResult


@dataclass
class _Rehearsal:
    """What a smoke run is about, and whom it tells."""

    experiment: LightningExperiment
    spec: RunSpec
    smoke: Smoke
    gate: LearningGate
    say: Callable[[str], None]
    progress: Callable[[str], None]


def smoke_run(
    experiment: LightningExperiment,
    spec: RunSpec,
    smoke: Smoke,
    out: Path,
    say: Callable[[str], None],
    progress: Callable[[str], None],
    gate: LearningGate | None = None,
) -> tuple[Measurements, TrainingResult, Speed]:
    """Fit one batch alone, then train for `spec.max_steps`, and measure what was learned on held-out items.

    Where the judge says UNDERTRAINED, training goes on from its last checkpoint, within `smoke.max_extension` and
    `spec.max_minutes`.

    Args:
        gate: thresholds for that decision alone; the measurements hold none.
    """
    rehearsal = _Rehearsal(experiment, spec, smoke, gate or LearningGate(), say, progress)
    torch.set_num_threads(spec.training.threads)
    began = time.monotonic()
    data = experiment.datamodule(spec.training, spec.data, spec.seed)
    data.setup("fit")
    watch = Watch(experiment, look_at(experiment, data))
    start_s = time.monotonic() - began
    one = overfit_one_batch(experiment, spec, smoke.overfit_steps, progress)
    say(f"one batch alone: error {one.ratio:.3f} of its variance after {one.steps} steps")
    result, module, data = train_lightning(experiment, spec, out, progress, watch=watch)
    _say_result(rehearsal, result)
    measured = _measure(rehearsal, module, watch, result, one)
    if _needs_other_rates(measured, rehearsal.gate):
        one = try_other_rates(experiment, spec, one, smoke.overfit_steps, progress)
        measured = measured.model_copy(update={"one_batch": one})
    while length := _extension(rehearsal, measured, result):
        say(f"UNDERTRAINED after {result.steps} steps (skill {measured.skill:.2f}): training on to step {length}")
        last = out / "checkpoints" / "last.ckpt"
        longer = spec.model_copy(update={"max_steps": length})
        more, module, data = train_lightning(
            experiment, longer, out, progress, watch=watch, checkpoint=last, extends=module
        )
        result = joined(result, more)
        _say_result(rehearsal, result)
        measured = _measure(rehearsal, module, watch, result, one)
    train_samples = len(data.train_dataloader()) * spec.training.micro_batch_size
    return measured, result, _speed(result, spec, train_samples, watch, start_s)


def _say_result(r: _Rehearsal, result: TrainingResult) -> None:
    losses = f", loss {result.train_loss[0]:.3f} → {result.train_loss[-1]:.3f}" if result.train_loss else ""
    r.say(f"{result.steps} steps in {result.wall_s:.0f} s{losses}")


def _needs_other_rates(m: Measurements, gate: LearningGate) -> bool:
    """One batch was not fitted, nothing was learned, and it is not for want of gradients."""
    if m.one_batch is None or m.one_batch.gradients.blocked:
        return False
    ratio, skill = number(m.overfit_ratio), number(m.skill)
    return (ratio is None or ratio > gate.max_overfit_ratio) and (skill is None or skill <= gate.min_skill)


def _extension(r: _Rehearsal, measured: Measurements, result: TrainingResult) -> int:
    """The step to which training should go on; 0: it should not.

    It goes on where that is all that is missing and there are steps and minutes left. A learning rate that one batch
    shows to be too small is not mended by more steps.
    """
    _, cause = judge(measured, r.gate)
    planned = r.spec.max_steps
    if cause != "UNDERTRAINED" or planned is None or result.steps < planned or measured.one_batch is None:
        return 0
    if (measured.one_batch.other_rate or 0) > 1:
        return 0
    if r.spec.max_minutes is not None and result.wall_s > 60 * r.spec.max_minutes:
        return 0
    length = min(result.steps + planned, int(r.smoke.max_extension * planned))
    return length if length > result.steps else 0


def _measure(
    r: _Rehearsal, module: LightningModule, watch: Watch, result: TrainingResult, one: OneBatch
) -> Measurements:
    """Held-out error against that of predicting the mean, of copying the input, and of a zeroed input."""
    looked, experiment = watch.looked, r.experiment
    assert looked is not None
    end = evaluate(experiment, module, looked.held_out, looked.mean, result.steps)
    seen = at_most(experiment, looked.seen, SAMPLES)
    on_seen = evaluate(experiment, module, seen, looked.mean, result.steps, thorough=False)
    watched = [evaluation for evaluation in watch.evaluations if evaluation.step < result.steps]
    copied = _error_of_copy(experiment, looked.held_out)
    seeing = modules_that_see(experiment, module, looked.held_out[0])
    training = r.spec.training
    return summarized(
        [*watched, end],
        result.train_loss,
        data=looked.look,
        gradients=watch.gradients.report() if watch.gradients else one.gradients,
        seen_skill=on_seen.skill,
        modules_that_see=None if seeing is None else seeing[:5],
        finite=result.finite,
        stopped=result.stopped,
        bad_batch=result.bad_batch,
        steps=result.steps,
        val_steps=result.val_steps,
        val_loss=list(result.val_loss),
        overfit_ratio=one.ratio,
        one_batch=one,
        error_of_copy=copied,
        copy_skill=None if copied is None else 1 - copied / max(_error_of_mean(end), 1e-12),
        ema_initial_share=initial_share(training.ema_decay, result.steps, training.ema_warmup)
        if training.ema_decay
        else None,
    )


def _error_of_mean(end: Evaluation) -> float:
    return end.error_of_mean or 0.0


def _error_of_copy(experiment: LightningExperiment, batches: list[Any]) -> float | None:
    """Held-out error of answering with the input; None where the shapes differ."""
    errors = [
        float(experiment.error(x, y)) * len(y)
        for batch in batches
        for x, y in [(experiment.inputs(batch), experiment.targets(batch))]
        if x.shape == y.shape
    ]
    return sum(errors) / sum(len(experiment.targets(batch)) for batch in batches) if errors else None


def _speed(result: TrainingResult, spec: RunSpec, train_samples: int, watch: Watch, start_s: float) -> Speed:
    """Quantiles of the steps after the first few, which warm caches up."""
    steady = sorted(result.step_s[3:] or result.step_s or [0.0])
    in_steps = sum(result.step_s)
    epochs = max(1.0, len(result.val_steps) / spec.training.validations_per_epoch)
    return Speed(
        step_s=statistics.median(steady),
        step_s_low=steady[len(steady) // 10],
        step_s_high=steady[(len(steady) * 9) // 10],
        samples_per_step=spec.training.micro_batch_size,
        epoch_overhead_s=max(0.0, result.wall_s - watch.spent_s - in_steps) / epochs,
        start_s=start_s,
        look_s=(THOROUGH + 1) * statistics.median(watch.prediction_s or [0.0]),
        train_samples=train_samples,
        tflops_fp32=tflops_fp32(),
        bandwidth_gb_s=bandwidth_gb_s(),
    )
