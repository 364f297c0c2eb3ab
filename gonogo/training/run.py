"""One training run with Lightning: the smoke run, the canary and the paid run are all this, with other limits.

On the machine: `python -m gonogo.stages.train RUN.json OUT`. OUT then holds `checkpoints/`, `samples/`,
`metrics.csv`, `in_flight.jsonl` where the learning gate goes along and, written last, `training.json`.
"""

from __future__ import annotations

import datetime as dt
import resource
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonogo.base.errors import UserError
from gonogo.base.torch_startup import without_gc
from gonogo.config.device_choice import gpu_hidden
from gonogo.experiment.contract import Experiment
from gonogo.training.spec import StoppedByGateError

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from gonogo.training.spec import RunSpec, TrainingResult

NO_GRADIENT = "does not require grad"  # torch's words for a loss that no parameter takes part in


@dataclass
class _Ending:
    """How a run ended before its time."""

    stopped: str = ""
    finite: bool = True
    cause: str = ""
    bad_batch: str = ""


def train(
    experiment: Experiment,
    spec: RunSpec,
    out: Path,
    say: Callable[[str], None] = print,
    *,
    watch: Callback | None = None,
    checkpoint: Path | None = None,
    extends: LightningModule | None = None,
) -> tuple[TrainingResult, LightningModule, LightningDataModule]:
    """Train as `spec` says, leaving checkpoints and pictures in `out`; `say` is told of progress once a second.

    Args:
        watch: looks on; by default the learning gate, where `spec.gate` gives its thresholds.
        checkpoint: where training goes on: weights, optimizer, schedule and step are those of this file. What is
            measured is of the new steps, and their metrics go into `out/resumed_N/`.
        extends: the module of the shorter run that `checkpoint` ended. Learning-rate schedules then stand where they
            would in a run of the new length, and samples come in another order.

    Returns:
        What was measured, the trained module, and its data.
    """
    with without_gc():
        import lightning.pytorch as pl
        import torch

        from gonogo.training.callbacks import Recorder, StretchedSchedules
        from gonogo.training.success_indicators import Indicators

    _quieten()
    torch.set_num_threads(spec.training.threads)
    if experiment.config.starts_from and experiment.starts_from is None:
        where = f"{experiment.name}: starts_from: {experiment.config.starts_from}"
        raise UserError(f"{where}: no checkpoint of it was given; training never begins afresh instead")
    pl.seed_everything(spec.seed if extends is None else spec.seed + 1, verbose=False)
    module = extends or experiment.module(spec.training)
    data = experiment.datamodule(spec.training, spec.data, spec.seed)
    recorder = Recorder(experiment, spec, say)
    if watch is None and spec.gate is not None:
        from gonogo.learning.callback import InFlight

        watch = InFlight(experiment, spec.gate, out, say)
    part = "" if checkpoint is None else f"resumed_{1 + len(list(out.glob('resumed_*')))}"
    indicators = Indicators(spec.experiment_config.watch, say)
    watching = [recorder, indicators, *([watch] if watch else []), *([StretchedSchedules()] if extends else [])]
    trainer = make_trainer(experiment, spec, out, watching, not module.automatic_optimization, part)
    started = time.time()
    ending = _fit(trainer, module, data, checkpoint, judged=spec.gate is not None)
    if spec.max_steps is not None and not ending.stopped:
        trainer.save_checkpoint(out / "checkpoints" / "last.ckpt")
    result = TrainingResult(
        steps=trainer.global_step,
        epochs=trainer.current_epoch,
        parameters=sum(p.numel() for p in module.parameters() if p.requires_grad),
        train_loss=recorder.train_loss,
        val_steps=recorder.val_steps,
        val_loss=recorder.val_loss,
        step_s=recorder.step_s,
        wall_s=time.time() - started,
        peak_memory_bytes=_peak_memory_bytes(),
        device=device_name(),
        alerts=indicators.alerts,
        **vars(ending),
    )
    return result, module, data


def _fit(trainer: Trainer, module: LightningModule, data: Any, checkpoint: Path | None, *, judged: bool) -> _Ending:
    from gonogo.training.callbacks import NonFiniteLossError

    try:
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True if checkpoint else None)
    except NonFiniteLossError as error:
        cause = "DATA" if error.bad_batch else "DIVERGING"
        return _Ending(str(error), finite=False, cause=cause if judged else "", bad_batch=error.bad_batch)
    except StoppedByGateError as error:
        return _Ending(str(error), cause=error.cause)
    except RuntimeError as error:
        if NO_GRADIENT not in str(error):
            raise
        return _Ending("no parameter takes part in the loss", cause="WIRING" if judged else "")
    return _Ending()


def joined(first: TrainingResult, more: TrainingResult) -> TrainingResult:
    """Two parts of one run, the second resumed from the end of the first, as one."""
    parts = {name: getattr(first, name) + getattr(more, name) for name in ("train_loss", "val_steps", "val_loss")}
    return more.model_copy(
        update={
            **parts,
            "step_s": first.step_s + more.step_s,
            "wall_s": first.wall_s + more.wall_s,
            "peak_memory_bytes": max(first.peak_memory_bytes, more.peak_memory_bytes),
        }
    )


def make_trainer(
    experiment: Experiment,
    spec: RunSpec,
    out: Path,
    watching: Sequence[Callback] = (),
    by_hand: bool = False,
    part: str = "",
) -> Trainer:
    """Lightning's Trainer as `spec` says.

    Args:
        watching: callbacks besides those that keep checkpoints and pictures.
        by_hand: the module steps its optimizers itself (`gonogo.training.manual_optimization`).
        part: of a run in several, whose logs lie apart.
    """
    import lightning.pytorch as pl
    from lightning.pytorch.callbacks import ModelCheckpoint, Timer
    from lightning.pytorch.loggers import CSVLogger

    from gonogo.training.callbacks import Clipping, Periodic, best_few

    training = spec.training
    checkpoints = out / "checkpoints"
    callbacks: list[Callback] = [
        *watching,
        ModelCheckpoint(checkpoints, filename="best", monitor="val_loss", enable_version_counter=False),
        ModelCheckpoint(checkpoints, filename="last", enable_version_counter=False),  # save_last lags behind the best
        Periodic(experiment, training, out),
    ]
    callbacks += [best_few(training, checkpoints)] if training.keep_best else []
    callbacks += [Clipping(training)] if by_hand else []
    if spec.max_minutes is not None:
        callbacks.append(Timer(duration=dt.timedelta(minutes=spec.max_minutes)))
    return pl.Trainer(
        max_epochs=training.epochs if spec.max_steps is None else -1,
        max_steps=-1 if spec.max_steps is None else spec.max_steps,
        accumulate_grad_batches=1 if by_hand else training.accumulate_grad_batches,
        gradient_clip_val=None if by_hand else training.gradient_clip_val or None,
        precision=training.precision,
        accelerator="cpu" if gpu_hidden() else "auto",
        devices=1,
        callbacks=callbacks,
        logger=CSVLogger(out, name="", version=part),  # one that is there would be emptied
        log_every_n_steps=10,
        val_check_interval=1 / training.validations_per_epoch,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _quieten() -> None:
    """Lightning's advice on tips, workers and loggers is not for the reader of this run's log."""
    import logging

    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    warnings.filterwarnings("ignore", category=FutureWarning)


def _peak_memory_bytes() -> int:
    """Reserved by the allocator on a GPU, the process's high-water mark on a CPU."""
    import torch

    if not gpu_hidden() and torch.cuda.is_available():
        return torch.cuda.max_memory_reserved()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def device_name() -> str:
    import torch

    return torch.cuda.get_device_name() if not gpu_hidden() and torch.cuda.is_available() else "cpu"
