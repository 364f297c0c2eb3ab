"""The terms on which a run is launched: what it changes after a failure, its secrets, when its machine is released."""

from __future__ import annotations

import os
from typing import Any

from gonogo.base.errors import UserError
from gonogo.base.files import file_sizes
from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import ExperimentConfig, Training, training_on_cpu
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.config.target import Ssh, Target
from gonogo.memory.plan import plan_from
from gonogo.memory.plan_search import Explored
from gonogo.remote.run_request import CheckpointRoom, CpuFallback, ReleaseTerms
from gonogo.runtime.context import Run
from gonogo.training.written_files import CHECKPOINT_ENDINGS


def cpu_fallback(
    config: ExperimentConfig, training: Training, accelerator: Accelerator, target: Target
) -> dict[str, Any] | None:
    """How the run goes on where the device aborts it; None on a processor, and on a machine that bills by the hour.

    The latter would be paid for as a GPU while it trains on its CPU.
    """
    if accelerator.is_this_machine or target.usd_per_hour:
        return None
    before = training.model_dump(mode="json")
    retuned = training_on_cpu(config, training).model_dump(mode="json")
    changed = {key: value for key, value in retuned.items() if value != before[key]}
    return CpuFallback(overrides={"training": changed}).model_dump()


def checkpoint_room(run: Run) -> dict[str, Any] | None:
    """How many checkpoints the paid run keeps, and what one takes: what it takes here, at the smoke run's end.

    One more than is kept, because the next is written before an older one goes. None where the smoke run left none.
    """
    sizes = [status.st_size for name, status in file_sizes(run.paths.smoke_train) if name.endswith(CHECKPOINT_ENDINGS)]
    if not sizes:
        return None
    files = checkpoints_kept(run.experiment_config, run.training) + 1
    return CheckpointRoom(files=files, each_bytes=max(sizes)).model_dump()


def checkpoints_kept(config: ExperimentConfig, training: Training) -> int:
    """The best and the last, those of `keep_best`, and the periodic ones; of a command the first two.

    By steps one is kept, and there are two while the next is written.
    """
    if config.command is not None:
        return 2
    by_steps = 2 if training.checkpoint_every_steps else 0
    return 2 + training.keep_best + training.epochs // training.checkpoint_every_epochs + by_steps


def oom_ladder(explored: Explored, accelerator: Accelerator, gate: MemoryGate) -> list[dict[str, Any]]:
    """The memory plan's steps, in case memory runs out: `training` and `settings` keys of each retry.

    Without those that a checkpoint does not fit: a change of settings that makes another model, such as a smaller
    adapter.
    """
    steps = plan_from(explored, accelerator, gate).ladder[1:]  # the first is the plan itself
    return [{"training": s.training, "settings": s.settings} for s in steps if s.exact or not s.settings]


def secrets(target: Target) -> dict[str, str]:
    """Of this shell's environment; the values go to the training process and nowhere else.

    Raises:
        UserError: one is not set.
    """
    missing = [name for name in target.secret_environment if name not in os.environ]
    if missing:
        raise UserError(f"secret_environment: {', '.join(missing)} is not set in this shell; export it, or remove it")
    return {name: os.environ[name] for name in target.secret_environment}


def release_terms(target: Target) -> dict[str, Any] | None:
    """How and when the machine shuts itself down where no client releases it."""
    release = target.release
    if release.how == "none" or not isinstance(target.connection, Ssh):
        return None
    minutes, hours = release.collected_minutes, release.unattended_hours
    return ReleaseTerms(
        argv=["sh", "-c", release.shutdown_command],
        collected_s=None if minutes is None else 60 * minutes,
        uncollected_s=None if hours is None else 3600 * hours,
    ).model_dump()
