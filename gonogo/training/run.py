"""One training run of any experiment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gonogo.experiment.command import CommandExperiment
from gonogo.experiment.contract import Experiment
from gonogo.experiment.lightning import LightningExperiment
from gonogo.training.command_run import train_command
from gonogo.training.lightning_run import train_lightning
from gonogo.training.spec import RunSpec, TrainingResult

if TYPE_CHECKING:
    from lightning.pytorch import Callback


def train(
    experiment: Experiment,
    spec: RunSpec,
    out: Path,
    say: Callable[[str], None] = print,
    *,
    watch: Callback | None = None,
    checkpoint: Path | None = None,
) -> TrainingResult:
    """Train as `spec` says; `checkpoints/best.ckpt` or `last.ckpt` is left in `out`.

    Args:
        say: gets lines of progress that begin with `step N/M`; a run without them counts as hung.
        watch: a callback of Lightning that goes along; not of commands, which show nothing but their losses.
        checkpoint: where training resumes.
    """
    match experiment:
        case LightningExperiment():
            return train_lightning(experiment, spec, out, say, watch=watch, checkpoint=checkpoint)[0]
        case CommandExperiment():
            return train_command(experiment, spec, out, say, checkpoint)
    raise TypeError(f"{experiment.name}: {type(experiment).__name__} is neither trained by Lightning nor by commands")
