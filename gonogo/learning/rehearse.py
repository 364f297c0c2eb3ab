"""The smoke run of any experiment, and what the learning gate and the forecast want to know of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gonogo.config.experiment import Smoke
from gonogo.config.gate_thresholds import LearningGate
from gonogo.experiment.command import CommandExperiment
from gonogo.experiment.contract import Experiment
from gonogo.experiment.lightning import LightningExperiment
from gonogo.forecast.speed import Speed
from gonogo.learning.command_rehearsal import rehearse_command
from gonogo.learning.measurements import Measurements
from gonogo.training.spec import RunSpec, TrainingResult


def rehearse(
    experiment: Experiment,
    spec: RunSpec,
    smoke: Smoke,
    out: Path,
    say: Callable[[str], None],
    progress: Callable[[str], None],
    gate: LearningGate,
) -> tuple[Measurements, TrainingResult, Speed]:
    """Train for `spec.max_steps` here, and measure what was learned, and how fast.

    Args:
        gate: thresholds that decide whether an undertrained run is extended; the measurements hold none.
    """
    match experiment:
        case LightningExperiment():
            from gonogo.learning.smoke import smoke_run  # with torch and Lightning

            return smoke_run(experiment, spec, smoke, out, say, progress, gate)
        case CommandExperiment():
            return rehearse_command(experiment, spec, out, say, progress)
    raise TypeError(f"{experiment.name}: {type(experiment).__name__} is neither trained by Lightning nor by commands")
