"""Lightning's Trainer, set up as a run asks for."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonogo.config.device_choice import gpu_hidden
from gonogo.config.experiment import Training
from gonogo.experiment.lightning import LightningExperiment
from gonogo.training.ranks import rank_of
from gonogo.training.spec import RunSpec

if TYPE_CHECKING:
    from lightning.pytorch import Callback, Trainer


def make_trainer(
    experiment: LightningExperiment,
    spec: RunSpec,
    out: Path,
    watching: Sequence[Callback] = (),
    by_hand: bool = False,
    part: str = "",
    say: Callable[[str], None] = print,
) -> Trainer:
    """Lightning's Trainer as `spec` says.

    Args:
        watching: callbacks besides those that keep checkpoints and pictures.
        by_hand: the module steps its optimizers itself (`gonogo.training.manual_optimization`).
        part: of a run in several, whose logs lie apart.
        say: gets a line where a tracker is given up.
    """
    import lightning.pytorch as pl
    from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint, Timer
    from lightning.pytorch.loggers import CSVLogger

    from gonogo.training.callbacks import BeforeValidation, Clipping, Periodic, best_few, every_few_steps
    from gonogo.training.trackers import loggers

    training = spec.training
    checkpoints = out / "checkpoints"
    callbacks: list[Callback] = [
        BeforeValidation(checkpoints),
        *watching,
        ModelCheckpoint(checkpoints, filename="best", monitor="val_loss", enable_version_counter=False),
        ModelCheckpoint(checkpoints, filename="last", enable_version_counter=False),  # save_last lags behind the best
        Periodic(experiment, training, out),
        LearningRateMonitor(logging_interval="step"),
    ]
    callbacks += [every_few_steps(training, checkpoints)] if training.checkpoint_every_steps else []
    callbacks += [best_few(training, checkpoints)] if training.keep_best else []
    callbacks += [Clipping(training)] if by_hand else []
    if spec.max_minutes is not None:
        callbacks.append(Timer(duration=dt.timedelta(minutes=spec.max_minutes)))
    validations: dict[str, int | float | None] = {"val_check_interval": 1 / training.validations_per_epoch}
    if spec.one_of_each and spec.max_steps:  # the last step brings one, as it counts batches; by hand it may be earlier
        batches = max(1, spec.max_steps // 4) if by_hand else spec.max_steps * training.accumulate_grad_batches
        validations = {"val_check_interval": batches, "check_val_every_n_epoch": None}
    return pl.Trainer(
        max_epochs=training.epochs if spec.max_steps is None else -1,
        max_steps=-1 if spec.max_steps is None else spec.max_steps,
        accumulate_grad_batches=1 if by_hand else training.accumulate_grad_batches,
        gradient_clip_val=None if by_hand else training.gradient_clip_val or None,
        precision=training.precision,
        accelerator="cpu" if gpu_hidden() else "auto",
        **_devices(training),
        callbacks=callbacks,
        logger=[
            CSVLogger(out, name="", version=part),  # one that is there would be emptied
            *(() if rank_of(training) else loggers(spec.tracking, f"gonogo-{spec.experiment}", out, say, part)),
        ],
        log_every_n_steps=training.log_every_steps,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        **validations,  # type: ignore[arg-type]
    )


def _devices(training: Training) -> dict[str, Any]:
    """One process, or one for each card of this machine, in one group with those of the others.

    A collective waits for as long as `stall_minutes` lets it: the agent says what hangs.
    """
    if training.cards == 1:
        return {"devices": 1}
    from lightning.pytorch.plugins.environments import LightningEnvironment
    from lightning.pytorch.strategies import DDPStrategy

    from gonogo.training.shared_weights import SharedWeights

    timeout = dt.timedelta(days=1)
    strategy = (
        SharedWeights(training.cards, timeout)
        if training.shards_weights
        else DDPStrategy(
            timeout=timeout,
            gradient_as_bucket_view=True,
            find_unused_parameters=training.strategy == "ddp_find_unused_parameters_true",
        )
    )
    environment = LightningEnvironment()  # whatever scheduler the machine's environment names
    nodes = {"devices": training.devices, "num_nodes": training.num_nodes}
    return {**nodes, "strategy": strategy, "plugins": [environment]}


def quieten() -> None:
    """Lightning's advice on tips, workers and loggers is not for the reader of this run's log."""
    import logging

    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    warnings.filterwarnings("ignore", category=FutureWarning)
