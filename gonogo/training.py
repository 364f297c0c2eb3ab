"""One training run with Lightning: the smoke run, the canary and the paid run are all this, with other limits.

On the machine: `python -m gonogo.training RUN.json OUT`. OUT then holds `checkpoints/`, `samples/`,
`metrics.csv`, `in_flight.jsonl` where the learning gate goes along and, written last, `training.json`.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import resource
import signal
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from gonogo.config import ExperimentConfig, Training
from gonogo.configload import laid_over
from gonogo.errors import ProgramError, UserError
from gonogo.experiment import Experiment, load_experiment
from gonogo.files import write_text
from gonogo.health.device import gpu_hidden
from gonogo.learning.in_flight import StoppedByGateError
from gonogo.startup import about_to_end, importing
from gonogo.thresholds import LearningGate

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer


class RunSpec(BaseModel):
    """Everything that a run is made of, so that the same file gives the same run on any machine."""

    model_config = ConfigDict(extra="forbid")

    experiment: str
    experiment_config: ExperimentConfig
    training: Training
    data: list[Path]
    seed: int
    assets: Path | None = Field(None, description="what `prepare` made, for experiments that train with it")
    starts_from: Path | None = Field(None, description="checkpoint of an earlier experiment that training begins with")
    max_steps: int | None = None
    max_minutes: float | None = None
    gate: LearningGate | None = Field(
        None, description="a run that these say comes to nothing is stopped; null: none is"
    )


class TrainingResult(BaseModel):
    """What a run measured about itself."""

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="constants")

    steps: int
    epochs: int
    parameters: int
    train_loss: list[float]
    train_steps: list[int] = Field(default_factory=list, description="of `train_loss`; empty: each, from the first")
    val_steps: list[int]
    val_loss: list[float]
    step_s: list[float]
    wall_s: float
    peak_memory_bytes: int
    device: str
    finite: bool
    stopped: str = ""
    cause: str = Field("", description="the learning gate's word for why it stopped the run")
    alerts: list[str] = Field(default_factory=list, description="success indicators (`watch`) that were missed")
    bad_batch: str = Field("", description="`inputs` or `targets` that held NaN where the loss was no number")

    @property
    def median_step_s(self) -> float:
        """Of the steps after the first few, which warm caches up."""
        return statistics.median(self.step_s[3:] or self.step_s or [0.0])


STOPPED_BY_GATE, NOT_FINITE, FAILED = 4, 3, 1  # exit codes
NO_GRADIENT = "does not require grad"  # torch's words for a loss that no parameter takes part in


UNCATCHABLE = (signal.SIGKILL, signal.SIGSTOP)
TERMINATED = 128 + signal.SIGTERM  # exit code, as a shell says it


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
    with importing():
        import lightning.pytorch as pl
        import torch

        from gonogo.callbacks import Recorder, StretchedSchedules
        from gonogo.indicators import Indicators

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
        from gonogo.learning.watch import InFlight

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
    from gonogo.callbacks import NonFiniteLossError

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
        by_hand: the module steps its optimizers itself (`gonogo.by_hand`).
        part: of a run in several, whose logs lie apart.
    """
    import lightning.pytorch as pl
    from lightning.pytorch.callbacks import ModelCheckpoint, Timer
    from lightning.pytorch.loggers import CSVLogger

    from gonogo.callbacks import Clipping, Periodic, best_few

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


def main(argv: list[str] | None = None) -> int:
    """Train as RUN.json says, leaving everything in OUT.

    Exit code 4: stopped by the learning gate, whose thresholds RUN.json gives. 3: the loss stopped being a number.
    """
    parser = argparse.ArgumentParser(prog="python -m gonogo.training", description=main.__doc__)
    parser.add_argument("run", type=Path, metavar="RUN.json")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--max-steps", type=int, help="stop after so many optimizer steps: a canary")
    parser.add_argument("--resume", type=Path, metavar="CHECKPOINT", help="go on from there")
    parser.add_argument(
        "--changes", type=json.loads, default={}, metavar="JSON", help="{training: {…}, settings: {…}} laid over RUN's"
    )
    arguments = parser.parse_args(argv)
    spec = RunSpec.model_validate_json(arguments.run.read_text())
    spec = _changed(spec, arguments.changes)
    if arguments.max_steps is not None:
        spec = spec.model_copy(update={"max_steps": arguments.max_steps, "gate": None})
    print(f"training {spec.experiment}: loading", flush=True)
    experiment = load_experiment(spec.experiment, spec.experiment_config, Path.cwd(), spec.assets)
    experiment.starts_from = spec.starts_from
    try:
        result = experiment.run_training(
            spec, arguments.out, lambda line: print(line, flush=True), checkpoint=arguments.resume
        )
    except ProgramError as error:
        print(f"error: {error}", flush=True)
        if error.code < 0:  # whoever supervises sees how it ended
            signal.signal(-error.code, signal.SIG_DFL) if -error.code not in UNCATCHABLE else None
            os.kill(os.getpid(), -error.code)
        return FAILED
    except UserError as error:
        print(f"error: {error}", flush=True)
        return FAILED
    except SystemExit:  # Lightning's answer to SIGTERM, without a code of its own
        print("training was ended by a signal", flush=True)
        return TERMINATED
    write_text(arguments.out / "training.json", result.model_dump_json())
    print(
        f"training ended: {result.steps} steps in {result.wall_s:.0f} s; {result.stopped or 'finished'}",
        flush=True,
    )
    if result.cause:
        print(f"stopped by the learning gate: {result.cause}", flush=True)
        return STOPPED_BY_GATE
    return 0 if result.finite else NOT_FINITE


def _changed(spec: RunSpec, changes: Mapping[str, Any]) -> RunSpec:
    settings = laid_over(spec.experiment_config.settings, changes.get("settings", {}))
    return spec.model_copy(
        update={
            "training": Training.model_validate({**spec.training.model_dump(), **changes.get("training", {})}),
            "experiment_config": spec.experiment_config.model_copy(update={"settings": settings}),
        }
    )


if __name__ == "__main__":
    code = main()
    about_to_end()
    sys.exit(code)
