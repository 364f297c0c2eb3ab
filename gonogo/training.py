"""One training run with Lightning: the smoke run, the canary and the paid run are all this, with other limits.

On the machine: `python -m gonogo.training RUN.json OUT`. OUT then holds `checkpoints/`, `samples/`,
`metrics.csv`, `in_flight.jsonl` where the learning gate goes along and, written last, `training.json`.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from gonogo.config import ExperimentConfig, LearningGate, Training
from gonogo.errors import UserError
from gonogo.experiment import Experiment, load_experiment
from gonogo.files import write_text
from gonogo.learning.in_flight import StoppedByGateError

if TYPE_CHECKING:
    import torch
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
    val_steps: list[int]
    val_loss: list[float]
    step_s: list[float]
    wall_s: float
    peak_memory_bytes: int
    device: str
    finite: bool
    stopped: str = ""
    cause: str = Field("", description="the learning gate's word for why it stopped the run")
    bad_batch: str = Field("", description="`inputs` or `targets` that held NaN where the loss was no number")

    @property
    def median_step_s(self) -> float:
        """Of the steps after the first few, which warm caches up."""
        return statistics.median(self.step_s[3:] or self.step_s or [0.0])


STOPPED_BY_GATE, NOT_FINITE = 4, 3  # exit codes
NO_GRADIENT = "does not require grad"  # torch's words for a loss that no parameter takes part in


class NonFiniteLossError(RuntimeError):
    """The loss became NaN or infinite; training cannot recover from it.

    Attributes:
        bad_batch: `inputs` or `targets` of the batch, where they were at fault.
    """

    def __init__(self, message: str, bad_batch: str) -> None:
        super().__init__(message)
        self.bad_batch = bad_batch


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
    resume: LightningModule | None = None,
) -> tuple[TrainingResult, LightningModule, LightningDataModule]:
    """Train as `spec` says, leaving checkpoints and pictures in `out`; `say` is told of progress once a second.

    Args:
        watch: looks on; by default the learning gate, where `spec.gate` gives its thresholds.
        resume: a module whose training goes on from `out/checkpoints/last.ckpt`: weights, optimizer and step are
            those of the checkpoint, and learning-rate schedules stand where they would in a run of the new length.

    Returns:
        What was measured (after a resumption: of the new steps), the trained module, and its data.
    """
    import lightning.pytorch as pl
    import torch

    _quieten()
    torch.set_num_threads(spec.training.threads)
    if experiment.config.starts_from and experiment.starts_from is None:
        raise UserError(
            f"{experiment.name}: starts_from: {experiment.config.starts_from}: no checkpoint of it was given"
        )
    pl.seed_everything(spec.seed if resume is None else spec.seed + 1, verbose=False)
    module = resume or experiment.module(spec.training)
    data = experiment.datamodule(spec.training, spec.data, spec.seed)
    recorder = _recorder(experiment, spec, say)
    if watch is None and spec.gate is not None:
        from gonogo.learning.watch import InFlight

        watch = InFlight(experiment, spec.gate, out, say)
    trainer = _trainer(experiment, spec, out, recorder, watch, part="" if resume is None else "extension")
    last = out / "checkpoints" / "last.ckpt"
    started = time.time()
    ending = _fit(trainer, module, data, None if resume is None else last, judged=spec.gate is not None)
    if spec.max_steps is not None and not ending.stopped:
        trainer.save_checkpoint(last)
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
        device=_device_name(),
        **vars(ending),
    )
    return result, module, data


def _fit(trainer: Trainer, module: LightningModule, data: Any, checkpoint: Path | None, *, judged: bool) -> _Ending:
    try:
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=False if checkpoint else None)
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


def _trainer(
    experiment: Experiment, spec: RunSpec, out: Path, recorder: Callback, watch: Callback | None, part: str
) -> Trainer:
    import lightning.pytorch as pl
    from lightning.pytorch.callbacks import ModelCheckpoint, Timer
    from lightning.pytorch.loggers import CSVLogger

    training = spec.training
    checkpoints = out / "checkpoints"
    callbacks: list[pl.Callback] = [
        recorder,
        ModelCheckpoint(checkpoints, filename="best", monitor="val_loss", save_last=True, enable_version_counter=False),
        _periodic(experiment, training, out),
    ]
    callbacks += [watch] if watch else []
    callbacks += [_stretched_schedules()] if part else []
    if spec.max_minutes is not None:
        callbacks.append(Timer(duration=dt.timedelta(minutes=spec.max_minutes)))
    return pl.Trainer(
        max_epochs=training.epochs if spec.max_steps is None else -1,
        max_steps=-1 if spec.max_steps is None else spec.max_steps,
        accumulate_grad_batches=training.accumulate_grad_batches,
        gradient_clip_val=training.gradient_clip_val or None,
        precision=training.precision,
        devices=1,
        callbacks=callbacks,
        logger=CSVLogger(out, name="", version=part),  # a log that is there would be emptied
        log_every_n_steps=10,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _stretched_schedules() -> Any:
    from lightning.pytorch import Callback

    class StretchedSchedules(Callback):
        """Takes a resumed run's learning-rate schedules for those of a longer run, at the step that was reached.

        Restored as they were they would have ended, and some refuse to go beyond their end.
        """

        def __init__(self) -> None:
            self._fresh = False

        def on_load_checkpoint(self, trainer: Any, module: Any, checkpoint: dict[str, Any]) -> None:
            self._fresh = not any("best" in state for state in checkpoint["lr_schedulers"])  # those look at a metric
            if self._fresh:
                checkpoint["lr_schedulers"] = []

        def on_train_start(self, trainer: Any, module: Any) -> None:
            for config in trainer.lr_scheduler_configs if self._fresh else []:
                scheduler: Any = config.scheduler
                for group, rate in zip(scheduler.optimizer.param_groups, scheduler.get_last_lr(), strict=True):
                    group["lr"] = rate
                reached = trainer.global_step if config.interval == "step" else trainer.current_epoch
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # that no optimizer step came between
                    for _ in range(reached // config.frequency):
                        scheduler.step()

    return StretchedSchedules()


def _recorder(experiment: Experiment, spec: RunSpec, say: Callable[[str], None]) -> Any:
    from lightning.pytorch import Callback

    class Recorder(Callback):
        """Keeps losses and step times, says a line a second, and stops at the first loss that is not finite."""

        def __init__(self) -> None:
            self.train_loss: list[float] = []
            self.val_steps: list[int] = []
            self.val_loss: list[float] = []
            self.step_s: list[float] = []
            self._batch_started = self._printed = 0.0

        def on_train_batch_start(self, *_: Any) -> None:
            self._batch_started = time.perf_counter()

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
            loss = float(outputs["loss"])
            self.step_s.append(time.perf_counter() - self._batch_started)
            self.train_loss.append(loss)
            if not -float("inf") < loss < float("inf"):
                bad = _not_finite(experiment, batch)
                found = f": the batch's {bad} hold NaN or infinity" if bad else ""
                raise NonFiniteLossError(f"the loss is {loss} at step {trainer.global_step}{found}", bad)
            last = trainer.global_step == trainer.estimated_stepping_batches
            if last or time.monotonic() - self._printed > 1.0:
                self._printed = time.monotonic()
                epoch = f"epoch {trainer.current_epoch + 1}/{spec.training.epochs}  " if spec.max_steps is None else ""
                say(
                    f"step {trainer.global_step}/{int(trainer.estimated_stepping_batches)}  {epoch}"
                    f"loss {loss:.4f}  {self.step_s[-1]:.3f} s/step"
                )

        def on_validation_end(self, trainer: Any, module: Any) -> None:
            self.val_steps.append(trainer.global_step)
            self.val_loss.append(float(trainer.callback_metrics["val_loss"]))

    return Recorder()


def _not_finite(experiment: Experiment, batch: Any) -> str:
    """Which part of the batch is not finite, if any."""
    parts = {"targets": experiment.targets(batch), "inputs": experiment.inputs(batch)}
    return next((name for name, values in parts.items() if not bool(values.isfinite().all())), "")


def _periodic(experiment: Experiment, training: Training, out: Path) -> Any:
    from lightning.pytorch import Callback

    class Periodic(Callback):
        """Every few epochs a checkpoint that is kept, and a picture of predictions of the same held-out batch."""

        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            epoch = trainer.current_epoch + 1
            if epoch % training.checkpoint_every_epochs == 0:
                trainer.save_checkpoint(out / "checkpoints" / f"epoch_{epoch:04d}.ckpt")
            if epoch % training.sample_every_epochs == 0 or epoch == trainer.max_epochs:
                self._picture(trainer, module, out / "samples" / f"epoch_{epoch:04d}" / "predictions.png")

        def _picture(self, trainer: Any, module: Any, path: Path) -> None:
            import torch

            batch = trainer.strategy.batch_to_device(next(iter(trainer.datamodule.val_dataloader())))
            with torch.no_grad():
                experiment.show(batch, module.predict_step(batch, 0), path)

    return Periodic()


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

    if torch.cuda.is_available():
        return torch.cuda.max_memory_reserved()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _device_name() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def optimizer_of(module: LightningModule) -> torch.optim.Optimizer:
    """The module's own optimizer, in any of the shapes that Lightning allows for a single one; no Trainer needed."""
    configured: Any = module.configure_optimizers()
    if isinstance(configured, dict):
        return configured["optimizer"]
    while isinstance(configured, (list, tuple)):
        configured = configured[0]
    return configured


def main(argv: list[str] | None = None) -> int:
    """Train as RUN.json says, leaving everything in OUT.

    Exit code 4: stopped by the learning gate, whose thresholds RUN.json gives. 3: the loss stopped being a number.
    """
    parser = argparse.ArgumentParser(prog="python -m gonogo.training", description=main.__doc__)
    parser.add_argument("run", type=Path, metavar="RUN.json")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--max-steps", type=int, help="stop after so many optimizer steps: a canary")
    arguments = parser.parse_args(argv)
    spec = RunSpec.model_validate_json(arguments.run.read_text())
    if arguments.max_steps is not None:
        spec = spec.model_copy(update={"max_steps": arguments.max_steps, "gate": None})
    print(f"training {spec.experiment}: loading", flush=True)
    experiment = load_experiment(spec.experiment, spec.experiment_config, Path.cwd(), spec.assets)
    experiment.starts_from = spec.starts_from
    result, _, _ = train(experiment, spec, arguments.out, lambda line: print(line, flush=True))
    write_text(arguments.out / "training.json", result.model_dump_json())
    print(
        f"training ended: {result.steps} steps in {result.wall_s:.0f} s; {result.stopped or 'finished'}",
        flush=True,
    )
    if result.cause:
        print(f"stopped by the learning gate: {result.cause}", flush=True)
        return STOPPED_BY_GATE
    return 0 if result.finite else NOT_FINITE


if __name__ == "__main__":
    sys.exit(main())
