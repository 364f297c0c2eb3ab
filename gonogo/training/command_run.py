"""Training by an experiment's own program, which is watched through the metrics.csv that it writes."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.config.command import Value, filled, placeholders
from gonogo.experiment.command import CommandExperiment
from gonogo.experiment.program import Program
from gonogo.training.log import environment
from gonogo.training.metrics_csv import LossLog
from gonogo.training.printed import LOSSES, PRINTED, Printed, held_out
from gonogo.training.program_monitor import ProgramMonitor
from gonogo.training.program_record import ProgramRecord
from gonogo.training.spec import RunSpec, TrainingResult
from gonogo.training.written_files import collecting

POLL_S = 0.1
COUNTER = Path(__file__).with_name("counted")  # the folder of sitecustomize.py
COUNTED = "steps.csv"
CHECKPOINTS = ("best.ckpt", "last.ckpt")


def train_command(
    experiment: CommandExperiment, spec: RunSpec, out: Path, say: Callable[[str], None], checkpoint: Path | None = None
) -> TrainingResult:
    """Run `train` to its end, or to its first loss that is NaN or infinite; `spec.gate` is not judged along the way.

    Raises:
        UserError: it failed, or left no metrics.csv or no checkpoint.
    """
    out = out.resolve()
    (out / "checkpoints").mkdir(parents=True, exist_ok=True)
    printed = Printed(out / LOSSES, out / PRINTED, experiment.command.metrics)
    counted = (out / COUNTED,) if experiment.is_watched else ()
    losses = LossLog(out / "metrics.csv", (*counted, printed.losses))
    losses.set_aside()
    watched = ProgramMonitor(losses, say, spec.max_steps or experiment.steps_at_most(spec.training))
    words = words_of(experiment, spec, out, checkpoint)
    deadline = math.inf if spec.max_minutes is None else time.monotonic() + 60 * spec.max_minutes
    record = ProgramRecord(spec, out, say)
    started, stopped, cause = time.time(), "", ""
    variables = environment(losses.path)
    with contextlib.ExitStack() as stack:
        if experiment.is_watched:
            variables |= _counting(experiment, spec, out)
        if "out" not in placeholders(experiment.command.train):
            stack.enter_context(collecting(experiment.root, out, spec.data))
        stack.callback(printed.close)

        def heard(line: str) -> None:
            printed.line(line)
            say(line)

        program = stack.enter_context(Program("command.train", words, experiment.root, heard, variables))
        while program.running(POLL_S) and not stopped:
            watched.look()
            cause, reason = record.take(losses)
            stopped = losses.bad or reason or (
                f"cut after {spec.max_minutes:g} min" if time.monotonic() > deadline and spec.max_minutes else ""
            )  # fmt: skip
        program.end() if stopped else None
        printed.close()
        watched.look(ended=True)
        record.close(losses, good=not (stopped or losses.bad))
        if not (stopped or losses.bad):
            program.check()
    say(printed.too_slow) if printed.too_slow else None
    if experiment.is_watched:
        if not losses.last_step:
            if stopped:
                raise UserError(f"command.train was {stopped}, before its first step: give it more, or smaller data")
            raise UserError(
                "command.train ended with exit code 0, no optimizer of torch took a step in it, and it printed no "
                "losses that were recognised; command.metrics gives a pattern for them"
            )
    else:
        _check_outputs(out, losses, complete=not (stopped or losses.bad))
    result = watched.result(spec, time.time() - started, losses.bad or stopped, held_out(printed.losses))
    return result.model_copy(update={"cause": "" if losses.bad else cause, "alerts": record.alerts})


def _counting(experiment: CommandExperiment, spec: RunSpec, out: Path) -> dict[str, str]:
    """Variables that let every Python of the program count its steps, and end after so many where it cannot be told."""
    found = {
        "GONOGO_STEPS": str(out / COUNTED),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(COUNTER), os.environ.get("PYTHONPATH")])),
    }
    if spec.max_steps and "max_steps" not in placeholders(experiment.command.train):
        found["GONOGO_MAX_STEPS"] = str(spec.max_steps)
    return found


def words_of(experiment: CommandExperiment, spec: RunSpec, out: Path, checkpoint: Path | None = None) -> list[str]:
    """`command.train` with its placeholders filled in, and with `command.resume` where there is a checkpoint."""
    training, data = spec.training, [folder.resolve() for folder in spec.data]
    values: dict[str, Value] = {
        "out": out, "epochs": training.epochs, "max_steps": spec.max_steps or 0, "seed": spec.seed,
        "micro_batch_size": training.micro_batch_size, "precision": training.precision,
        "accumulate_grad_batches": training.accumulate_grad_batches, "learning_rate": training.learning_rate,
    }  # fmt: skip
    words = filled(experiment.command.train, values, data)
    if checkpoint is None:
        return words
    if not experiment.resumes:
        raise UserError(f"{experiment.name}: command.resume is not given: training cannot resume from {checkpoint}")
    return [*words, *filled(experiment.command.resume, {"checkpoint": checkpoint.resolve()})]


def _check_outputs(out: Path, losses: LossLog, *, complete: bool) -> None:
    """Raise UserError where a run left nothing to judge, or nothing to predict with."""
    if losses.source is None:
        raise UserError(
            f"command.train left no metrics.csv in {{out}} ({out}); its columns: step, train_loss. It printed no "
            "losses that were recognised either; command.metrics gives a pattern for them"
        )
    if not losses.train_loss:
        raise UserError(f"command.train wrote no train_loss into {losses.source}")
    found = sorted(path.name for path in (out / "checkpoints").glob("*.ckpt"))
    if complete and not set(found) & set(CHECKPOINTS):
        there = f"; there are {', '.join(found)}" if found else ""
        raise UserError(f"command.train left neither best.ckpt nor last.ckpt in {{out}}/checkpoints ({out}){there}")
