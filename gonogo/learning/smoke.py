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
from gonogo.learning.data_summary import sample_data
from gonogo.learning.ema import initial_share
from gonogo.learning.evaluate import THOROUGH, evaluate
from gonogo.learning.input_reach import looks_ahead, modules_that_see, without_effect
from gonogo.learning.judge import judge
from gonogo.learning.measurements import Measurements, OneBatch, number
from gonogo.learning.overfit import overfit_one_batch, try_other_rates
from gonogo.learning.run_facts import cannot_train, run_facts
from gonogo.learning.step_checks import NO_LONGER_RUN
from gonogo.learning.summary import summarized
from gonogo.training.device import device_name
from gonogo.training.lightning_run import joined, train_lightning
from gonogo.training.spec import RunSpec, TrainingResult
from gonogo.verdict import Status


@dataclass
class _Rehearsal:
    """What a smoke run is of, and where it reports."""

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

    Where the judge says UNDERTRAINED, training resumes from its last checkpoint, within `smoke.max_extension` and
    `spec.max_minutes`.

    Args:
        gate: thresholds for that decision alone; the measurements hold none.
    """
    rehearsal = _Rehearsal(experiment, spec, smoke, gate or LearningGate(), say, progress)
    torch.set_num_threads(spec.training.threads)
    began = time.monotonic()
    data = experiment.datamodule(spec.training, spec.data, spec.seed)
    data.setup("fit")
    sampled = sample_data(experiment, data)
    watch = Watch(experiment, sampled)
    start_s = time.monotonic() - began
    one = overfit_one_batch(experiment, spec, smoke.overfit_steps, progress)
    say(f"one batch alone: error {one.ratio:.3f} of its variance after {one.steps} steps")
    loader = data.train_dataloader()
    if why := cannot_train(sampled.summary, one, loader):
        say(f"not trained: {why}")
        return _untrained(rehearsal, watch, one, loader, start_s)
    result, module, data = train_lightning(experiment, spec, out, progress, watch=watch)
    _say_result(rehearsal, result)
    measured = _measure(rehearsal, module, watch, result, one, loader)
    if _needs_other_rates(measured, rehearsal.gate):
        one = try_other_rates(experiment, spec, one, smoke.overfit_steps, progress)
        measured = measured.model_copy(update={"one_batch": one})
    while length := _extension(rehearsal, measured, result):
        say(f"UNDERTRAINED after {result.steps} steps (skill {measured.end.skill:.2f}): resuming up to step {length}")
        last = out / "checkpoints" / "last.ckpt"
        longer = spec.model_copy(update={"max_steps": length})
        more, module, data = train_lightning(
            experiment, longer, out, progress, watch=watch, checkpoint=last, extends=module
        )
        result = joined(result, more)
        _say_result(rehearsal, result)
        measured = _measure(rehearsal, module, watch, result, one, loader)
    train_samples = _batches_of(data.train_dataloader()) * spec.training.micro_batch_size
    return measured, result, _speed(result, spec, train_samples, watch, start_s)


def _untrained(
    run: _Rehearsal, watch: Watch, one: OneBatch, loader: Any, start_s: float
) -> tuple[Measurements, TrainingResult, Speed]:
    """Of a run that would end with an error, as it would begin."""
    result = TrainingResult(
        steps=0, epochs=0, parameters=0, train_loss=[], val_steps=[], val_loss=[], step_s=[], wall_s=0.0,
        peak_memory_bytes=0, device=device_name(), finite=True,
    )  # fmt: skip
    measured = _measure(run, run.experiment.module(run.spec.training), watch, result, one, loader)
    size = run.spec.training.micro_batch_size
    return measured, result, _speed(result, run.spec, _batches_of(loader) * size, watch, start_s)


def _batches_of(loader: Any) -> int:
    """In an epoch; 0: a loader without a length, of which nothing is known."""
    try:
        return len(loader)
    except TypeError:
        return 0


def _say_result(run: _Rehearsal, result: TrainingResult) -> None:
    losses = f", loss {result.train_loss[0]:.3f} → {result.train_loss[-1]:.3f}" if result.train_loss else ""
    run.say(f"{result.steps} steps in {result.wall_s:.0f} s{losses}")


def _needs_other_rates(measured: Measurements, gate: LearningGate) -> bool:
    """One batch was not fitted, nothing was learned, and gradients are not what is missing."""
    if measured.one_batch is None or measured.one_batch.gradients.blocked:
        return False
    ratio, skill = measured.overfit_ratio, number(measured.end.skill)
    return (ratio is None or ratio > gate.max_overfit_ratio) and (skill is None or skill <= gate.min_skill)


def _extension(run: _Rehearsal, measured: Measurements, result: TrainingResult) -> int:
    """The step to which training should go on; 0: it should not.

    It resumes where nothing else is missing and there are steps and minutes left. More steps do not help a learning
    rate that one batch shows to be too small.
    """
    checks, cause = judge(measured, run.gate)
    if any(check.id in NO_LONGER_RUN and check.status is Status.NO_GO for check in checks):
        return 0
    planned = run.spec.max_steps
    if cause != "UNDERTRAINED" or planned is None or result.steps < planned or measured.one_batch is None:
        return 0
    if (measured.one_batch.other_rate or 0) > 1:
        return 0
    if run.spec.max_minutes is not None and result.wall_s > 60 * run.spec.max_minutes:
        return 0
    length = min(result.steps + planned, int(run.smoke.max_extension * planned))
    return length if length > result.steps else 0


def _measure(
    run: _Rehearsal, module: LightningModule, watch: Watch, result: TrainingResult, one: OneBatch, loader: Any
) -> Measurements:
    """Held-out error against that of predicting the mean, of copying the input, and of a zeroed input."""
    sampled, experiment = watch.sampled, run.experiment
    assert sampled is not None
    end = evaluate(experiment, module, sampled.held_out, sampled.mean, result.steps)
    seen = at_most(experiment, sampled.seen, SAMPLES)
    on_seen = evaluate(experiment, module, seen, sampled.mean, result.steps, thorough=False)
    watched = [evaluation for evaluation in watch.evaluations if evaluation.step < result.steps]
    paired = experiment.measure().paired
    seeing = modules_that_see(experiment, module, sampled.held_out[0]) if paired else None
    training = run.spec.training
    gradients = watch.gradients.report() if watch.gradients else one.gradients
    return summarized(
        [*watched, end],
        result.train_loss,
        data=sampled.summary,
        gradients=gradients,
        run=run_facts(watch, loader),
        looks_ahead=looks_ahead(experiment, module, sampled.held_out[0], sampled.summary),
        unused=without_effect(experiment, module, sampled.held_out[0], gradients.unreached),
        seen_skill=on_seen.skill,
        modules_that_see=None if seeing is None else seeing[:5],
        finite=result.finite,
        stopped=result.stopped,
        bad_batch=result.bad_batch,
        steps=result.steps,
        val_steps=result.val_steps,
        val_loss=list(result.val_loss),
        one_batch=one,
        error_of_copy=_error_of_copy(experiment, sampled.held_out),
        ema_initial_share=initial_share(training.ema_decay, result.steps, training.ema_warmup)
        if training.ema_decay and experiment.averages_weights
        else None,
    )


def _error_of_copy(experiment: LightningExperiment, batches: list[Any]) -> float | None:
    """Held-out error of answering with the input; None where the shapes differ, and of classes."""
    if not experiment.measure().quantities:
        return None
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
