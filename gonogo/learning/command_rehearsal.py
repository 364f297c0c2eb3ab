"""The smoke run of an experiment given as commands: its losses and its speed are all that it shows."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

from gonogo.experiment.command import CommandExperiment
from gonogo.forecast.hardware_probe import bandwidth_gb_s, tflops_fp32
from gonogo.forecast.speed import Speed
from gonogo.learning.loss_checks import measured_losses
from gonogo.learning.measurements import Measurements
from gonogo.training.command_run import train_command
from gonogo.training.spec import RunSpec, TrainingResult


def rehearse_command(
    experiment: CommandExperiment, spec: RunSpec, out: Path, say: Callable[[str], None], progress: Callable[[str], None]
) -> tuple[Measurements, TrainingResult, Speed]:
    """Run `train` for `spec.max_steps`."""
    result = train_command(experiment, spec, out, progress)
    first, last = result.train_loss[0], result.train_loss[-1]
    say(f"{result.steps} steps in {result.wall_s:.0f} s, loss {first:.3f} → {last:.3f}")
    steady = sorted(result.step_s[3:] or result.step_s)
    speed = Speed(
        step_s=statistics.median(steady),
        step_s_low=steady[len(steady) // 10],
        step_s_high=steady[len(steady) * 9 // 10],
        samples_per_step=spec.training.effective_batch_size,
        train_samples=experiment.samples_per_epoch,
        epoch_overhead_s=0.0,  # in the step times
        tflops_fp32=tflops_fp32(),
        bandwidth_gb_s=bandwidth_gb_s(),
    )
    return measured_losses(result), result, speed
