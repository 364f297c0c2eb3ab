"""The local rehearsal: a short real training run, and the questions that a loss curve does not answer."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule

from gonogo.config import Smoke
from gonogo.experiment import Experiment
from gonogo.forecast.probe import bandwidth_gb_s, tflops_fp32
from gonogo.learning.ema import initial_share
from gonogo.learning.judge import Measurements
from gonogo.learning.speed import Speed
from gonogo.report.curves import LossCurve
from gonogo.training import RunSpec, TrainingResult, optimizer_of, train

OVERFIT_WARMUP_STEPS = 10


def smoke_run(
    experiment: Experiment,
    spec: RunSpec,
    smoke: Smoke,
    out: Path,
    say: Callable[[str], None],
    progress: Callable[[str], None],
) -> tuple[Measurements, TrainingResult, Speed]:
    """Fit one batch alone, then train for `smoke.steps`, and measure what was learned on held-out items."""
    torch.set_num_threads(spec.training.threads)
    overfit = overfit_one_batch(experiment, spec, smoke.overfit_steps, progress)
    say(f"one batch alone: error {overfit:.3f} of its variance after {smoke.overfit_steps} steps")
    result, module, data = train(experiment, spec, out, progress)
    say(f"{result.steps} steps in {result.wall_s:.0f} s, loss {result.train_loss[0]:.3f} → {result.train_loss[-1]:.3f}")
    measured = _measure(experiment, module, data, result, overfit)
    if spec.training.ema_decay:
        measured.ema_initial_share = initial_share(spec.training.ema_decay, result.steps, spec.training.ema_warmup)
    return (
        measured,
        result,
        _speed(result, spec, len(data.train_dataloader()) * spec.training.micro_batch_size),
    )


def overfit_one_batch(experiment: Experiment, spec: RunSpec, steps: int, progress: Callable[[str], None]) -> float:
    """Squared error over variance after `steps` on one batch: well below 1 where model, loss and optimizer fit."""
    torch.manual_seed(spec.seed)
    module = experiment.module(spec.training)
    data = experiment.datamodule(spec.training, spec.data, spec.seed)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    optimizer = optimizer_of(module)
    warm_up = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / OVERFIT_WARMUP_STEPS))
    module.train()
    for step in range(steps):
        optimizer.zero_grad()
        loss: Any = module.training_step(batch, step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), spec.training.gradient_clip_val or float("inf"))
        optimizer.step()
        warm_up.step()
        module.on_train_batch_end(None, batch, step)
        progress(f"one batch alone: step {step + 1}/{steps}  loss {float(loss.detach()):.4f}")
    target = experiment.targets(batch)
    return float(_squared_error(module, batch, target) / _spread(target))


def _measure(
    experiment: Experiment, module: LightningModule, data: Any, result: TrainingResult, overfit: float
) -> Measurements:
    """Held-out error against that of predicting the mean, of copying the input, and of a zeroed input."""
    module.eval()
    mean = _mean_target(experiment, data.train_dataloader())
    with torch.no_grad():
        batches = [_compare(experiment, module, batch, mean) for batch in data.val_dataloader()]
    average = {name: statistics.fmean(batch[name] for batch in batches) for name in batches[0]}
    floor = max(average["error_of_mean"], 1e-12)
    copied = average.get("error_of_copy")
    return Measurements(
        finite=result.finite,
        stopped=result.stopped,
        steps=result.steps,
        first_loss=_level(result.train_loss[:5]),
        last_loss=_level(result.train_loss[-20:]),
        val_steps=result.val_steps,
        val_loss=list(result.val_loss),
        overfit_ratio=overfit,
        input_mean=average["input_mean"],
        target_mean=average["target_mean"],
        output_mean=average["output_mean"],
        target_sigma=average["target_sigma"],
        output_sigma=average["output_sigma"],
        skill=1 - average["error"] / floor,
        skill_without_input=1 - average["error_without_input"] / floor,
        copy_skill=None if copied is None else 1 - copied / floor,
        error=average["error"],
        error_of_mean=average["error_of_mean"],
        error_of_copy=copied,
    )


def _compare(experiment: Experiment, module: LightningModule, batch: Any, mean: torch.Tensor) -> dict[str, float]:
    """One held-out batch: errors of the model and of what it should beat, and what outputs and targets look like."""
    inputs, targets = experiment.inputs(batch), experiment.targets(batch)
    outputs = module.predict_step(batch, 0)
    found = {
        "error": experiment.error(outputs, targets),
        "error_without_input": experiment.error(module.predict_step(experiment.without_input(batch), 0), targets),
        "error_of_mean": experiment.error(mean.expand_as(targets), targets),
        "input_mean": inputs.mean(),
        "target_mean": targets.mean(),
        "output_mean": outputs.mean(),
        "target_sigma": targets.std(),
        "output_sigma": outputs.std(),
    }
    if inputs.shape == targets.shape:
        found["error_of_copy"] = experiment.error(inputs, targets)
    return {name: float(value) for name, value in found.items()}


def _mean_target(experiment: Experiment, batches: Iterable[Any]) -> torch.Tensor:
    total, count = None, 0
    for batch in batches:
        target = experiment.targets(batch)
        total = target.sum(0) if total is None else total + target.sum(0)
        count += len(target)
    assert total is not None
    return total / count


def _squared_error(module: LightningModule, batch: Any, target: torch.Tensor) -> torch.Tensor:
    module.eval()
    with torch.no_grad():
        return ((module.predict_step(batch, 0) - target) ** 2).mean()


def _spread(target: torch.Tensor) -> torch.Tensor:
    return ((target - target.mean(0)) ** 2).mean().clamp(min=1e-12)


def _level(losses: list[float]) -> float:
    return statistics.fmean(losses) if losses else float("nan")


def _speed(result: TrainingResult, spec: RunSpec, train_samples: int) -> Speed:
    """Quantiles of the steps after the first few, which warm caches up."""
    steady = sorted(result.step_s[3:] or result.step_s)
    in_steps = sum(result.step_s)
    return Speed(
        step_s=statistics.median(steady),
        step_s_low=steady[len(steady) // 10],
        step_s_high=steady[(len(steady) * 9) // 10],
        samples_per_step=spec.training.micro_batch_size,
        epoch_overhead_s=max(0.0, result.wall_s - in_steps) / max(1, len(result.val_steps)),
        train_samples=train_samples,
        tflops_fp32=tflops_fp32(),
        bandwidth_gb_s=bandwidth_gb_s(),
    )


def curve_of(result: TrainingResult, measured: Measurements, experiment: str) -> LossCurve:
    """The picture of the run: losses, and what predicting the mean and copying the input would score."""
    baselines = {"predict the mean": measured.error_of_mean, "copy the input": measured.error_of_copy}
    return LossCurve(
        title=f"{experiment}: smoke run of {result.steps} steps",
        steps=list(range(1, len(result.train_loss) + 1)),
        train_loss=list(result.train_loss),
        val_steps=result.val_steps,
        val_loss=list(result.val_loss),
        baselines={name: value for name, value in baselines.items() if value is not None},
        unit="loss; validation: held-out error",
    )
