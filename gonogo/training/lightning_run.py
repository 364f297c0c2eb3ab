"""Training with Lightning: the smoke run, the canary and the paid run are all this, with other limits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonogo.base.errors import UserError
from gonogo.base.torch_startup import without_gc
from gonogo.experiment.lightning import LightningExperiment
from gonogo.training.device import device_name, peak_memory_bytes
from gonogo.training.ranks import lost_rank, rank_of
from gonogo.training.spec import RunSpec, StoppedError, TrainingResult
from gonogo.training.trainer import make_trainer, quieten

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer

    from gonogo.training.callbacks import Recorder

NO_GRADIENT = "does not require grad"  # torch's words for a loss that no parameter takes part in


@dataclass
class _Ending:
    """How a run ended before its time."""

    stopped: str = ""
    finite: bool = True
    cause: str = ""
    bad_batch: str = ""


def train_lightning(
    experiment: LightningExperiment,
    spec: RunSpec,
    out: Path,
    say: Callable[[str], None] = print,
    *,
    watch: Callback | None = None,
    checkpoint: Path | None = None,
    extends: LightningModule | None = None,
) -> tuple[TrainingResult, LightningModule, LightningDataModule]:
    """Train as `spec` says, leaving checkpoints and pictures in `out`; `say` gets a line of progress once a second.

    Args:
        watch: a callback that goes along; it may raise StoppedError.
        checkpoint: where training resumes: weights, optimizer, schedule and step are those of this file. What is
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
        from gonogo.training.later_parts import rehearse_later_parts
        from gonogo.training.one_of_each import OneOfEach
        from gonogo.training.rank_callback import Together
        from gonogo.training.run_gauges import RunGauges
        from gonogo.training.sharding import share_out
        from gonogo.training.success_indicators import Indicators

    quieten()
    torch.set_num_threads(spec.training.threads)
    _check_start(experiment)
    several, rank = spec.training.cards > 1, rank_of(spec.training)
    pl.seed_everything(spec.seed if extends is None else spec.seed + 1, verbose=False, workers=several)
    module = extends or experiment.module(spec.training)
    data = experiment.datamodule(spec.training, spec.data, spec.seed)
    if spec.training.shards_weights:
        share_out(module)
    recorder = Recorder(experiment, spec, say)
    part = "" if checkpoint is None else f"resumed_{1 + len(list(out.glob('resumed_*')))}"
    last = out / "checkpoints" / "last.ckpt"
    indicators = Indicators(spec.experiment_config.watch, say, last if spec.watched else None)
    gauges = RunGauges(spec, out, say)
    watching: list[Callback] = [recorder]
    watching += [gauges, indicators, *([watch] if watch else [])] if rank == 0 else []
    watching += [Together(spec)] if several else []
    watching += [StretchedSchedules()] if extends else []
    each = OneOfEach(experiment, out, say) if spec.one_of_each else None
    watching += [each] if each else []
    trainer = make_trainer(experiment, spec, out, watching, not module.automatic_optimization, part, say)
    for tracker in trainer.loggers[1:]:
        tracker.log_hyperparams(spec.hyperparameters)
    started = time.time()
    rehearsal = spec.max_steps is not None and each is None
    ending = _fit(trainer, module, data, checkpoint, recorder if rehearsal else None, judged=spec.gate is not None)
    if spec.max_steps is not None and not ending.stopped:
        trainer.save_checkpoint(last)
        if rehearsal:
            rehearse_later_parts(experiment, module, data, spec.training, out, validated=bool(recorder.val_steps))
    result = TrainingResult(
        **_measured(trainer, module, recorder),
        wall_s=time.time() - started,
        phase_peaks_bytes=each.peaks_bytes if each else {},
        alerts=[*indicators.alerts, *gauges.alerts],
        **vars(ending),
    )
    return result, module, data


def _measured(trainer: Trainer, module: LightningModule, recorder: Recorder) -> dict[str, Any]:
    """What every run measures about itself."""
    return {
        "steps": trainer.global_step,
        "epochs": trainer.current_epoch,
        "parameters": sum(p.numel() for p in module.parameters() if p.requires_grad),
        "train_loss": recorder.train_loss,
        "val_steps": recorder.val_steps,
        "val_loss": recorder.val_loss,
        "step_s": recorder.step_s,
        "peak_memory_bytes": peak_memory_bytes(),
        "device": device_name(),
    }


def _check_start(experiment: LightningExperiment) -> None:
    if experiment.config.starts_from and experiment.starts_from is None:
        where = f"{experiment.name}: starts_from: {experiment.config.starts_from}"
        raise UserError(f"{where}: no checkpoint of it was given; training never starts from nothing instead")


def _fit(
    trainer: Trainer,
    module: LightningModule,
    data: Any,
    checkpoint: Path | None,
    rehearsal: Recorder | None,
    *,
    judged: bool,
) -> _Ending:
    """Train.

    Args:
        rehearsal: of a smoke run, whose validation says in one sentence why it failed.
    """
    from gonogo.training.callbacks import NonFiniteLossError
    from gonogo.training.later_parts import failed_in

    try:
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True if checkpoint else None)
    except NonFiniteLossError as error:
        cause = "DATA" if error.bad_batch else "DIVERGING"
        return _Ending(str(error), finite=False, cause=cause if judged else "", bad_batch=error.bad_batch)
    except StoppedError as error:
        return _Ending(str(error), cause=error.cause)
    except Exception as error:
        if lost := lost_rank(trainer):
            raise lost from error
        if rehearsal and rehearsal.validating and not isinstance(error, (UserError, MemoryError)):
            raise failed_in("validation", error) from error
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
