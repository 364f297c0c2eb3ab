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
from gonogo.learning.judge import Measurements
from gonogo.learning.speed import Speed
from gonogo.training import RunSpec, TrainingResult, optimizer_of, train

OVERFIT_WARMUP_STEPS = 10


def smoke_run(
    experiment: Experiment, spec: RunSpec, smoke: Smoke, out: Path, say: Callable[[str], None]
) -> tuple[Measurements, TrainingResult, Speed]:
    """Fit one batch alone, then train for `smoke.steps`, and measure what was learned on held-out items."""
    torch.set_num_threads(spec.training.threads)
    overfit = overfit_one_batch(experiment, spec, smoke.overfit_steps)
    say(f"one batch alone: error {overfit:.3f} of its variance after {smoke.overfit_steps} steps")
    result, module, data = train(experiment, spec, out)
    say(f"{result.steps} steps in {result.wall_s:.0f} s, loss {result.train_loss[0]:.3f} → {result.train_loss[-1]:.3f}")
    measured = _measure(experiment, module, data, result, overfit)
    return measured, result, _speed(result, spec, len(data.train_dataloader()) * spec.training.micro_batch_size)


def overfit_one_batch(experiment: Experiment, spec: RunSpec, steps: int) -> float:
    """Mean squared error over variance, after `steps` on one batch: near 0 when model, loss and optimizer fit together."""
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
        module.training_step(batch, step).backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), spec.training.gradient_clip_val or float("inf"))
        optimizer.step()
        warm_up.step()
        module.on_train_batch_end(None, batch, step)
    target = experiment.targets(batch)
    return float(_squared_error(module, batch, target) / _spread(target))


def _measure(
    experiment: Experiment, module: LightningModule, data: Any, result: TrainingResult, overfit: float
) -> Measurements:
    """Held-out error against that of predicting the mean, of copying the input, and of a zeroed input."""
    module.eval()
    mean = _mean_target(experiment, data.train_dataloader())
    sums: dict[str, list[float]] = {name: [] for name in ("model", "mean", "copy", "blind", "out", "out_sd", "y", "y_sd", "x")}
    with torch.no_grad():
        for batch in data.val_dataloader():
            x, y = experiment.inputs(batch), experiment.targets(batch)
            output = module.predict_step(batch, 0)
            blind = module.predict_step(experiment.without_input(batch), 0)
            sums["model"].append(_mse(output, y))
            sums["blind"].append(_mse(blind, y))
            sums["mean"].append(_mse(mean.expand_as(y), y))
            if x.shape == y.shape:
                sums["copy"].append(_mse(x, y))
            sums["out"].append(float(output.mean()))
            sums["out_sd"].append(float(output.std()))
            sums["y"].append(float(y.mean()))
            sums["y_sd"].append(float(y.std()))
            sums["x"].append(float(x.mean()))
    average = {name: statistics.fmean(values) if values else None for name, values in sums.items()}
    floor = average["mean"] or 1e-12
    return Measurements(
        finite=result.finite,
        stopped=result.stopped,
        steps=result.steps,
        first_loss=_level(result.train_loss[:5]),
        last_loss=_level(result.train_loss[-20:]),
        val_steps=result.val_steps,
        val_loss=result.val_loss,
        overfit_ratio=overfit,
        input_mean=average["x"],
        target_mean=average["y"],
        output_mean=average["out"],
        target_sigma=average["y_sd"],
        output_sigma=average["out_sd"],
        skill=1 - average["model"] / floor,
        skill_without_input=1 - average["blind"] / floor,
        copy_skill=None if average["copy"] is None else 1 - average["copy"] / floor,
        mse=average["model"],
        mse_of_mean=average["mean"],
        mse_of_copy=average["copy"],
    )


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


def _mse(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(((a - b) ** 2).mean())


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
