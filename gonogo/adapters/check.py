"""The learning and the memory gate on objects of this process."""

from __future__ import annotations

import contextlib
import datetime as dt
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import ExperimentConfig, Smoke, Training
from gonogo.config.gate_thresholds import LearningGate
from gonogo.config.load import load_accelerator
from gonogo.experiment.adapted import AdaptedExperiment
from gonogo.experiment.adapter import Adapter
from gonogo.learning.judge import judge
from gonogo.learning.smoke import smoke_run
from gonogo.memory.check import verdict_of
from gonogo.memory.estimate import estimate
from gonogo.memory.loaders import Loaders
from gonogo.memory.request import TraceRequest
from gonogo.memory.step import lightning_step
from gonogo.memory.trace_process import trace_in_fork
from gonogo.report.render import to_text
from gonogo.report.terminal import WIDEST
from gonogo.training.lightning_step import loss_of, training_step
from gonogo.training.manual_optimization import optimizers_of
from gonogo.training.spec import RunSpec
from gonogo.verdict import Check, Verdict, decide

STEPS, OVERFIT_STEPS, MINUTES = 120, 200, 5.0
FEWEST = 8  # optimizer steps
NEVER = 1_000_000  # epochs between pictures and kept checkpoints


def check(
    adapter: Adapter,
    *,
    name: str = "experiment",
    card: str | None = None,
    steps: int = STEPS,
    overfit_steps: int = OVERFIT_STEPS,
    minutes: float = MINUTES,
    gradient_clip_val: float | None = None,
    seed: int = 0,
    show: bool = True,
) -> Verdict:
    """Train a copy of the model for a few steps here and judge what it learned; trace its step's memory for a card.

    The objects given stay as they were; so does the state of torch's random numbers.

    Args:
        name: for people.
        card: of the catalogue, such as `h100`; None: memory is not judged.
        steps, overfit_steps: of training, and on one batch alone; fewer where `minutes` would not be enough.
        gradient_clip_val: L2 norm that the project's loop clips gradients to; None: what a Trainer says, else no clip.
        show: print progress and the verdict.

    Raises:
        UserError: what was given does not fit together, or there is no such card.
    """
    say: Callable[[str], None] = print if show else (lambda line: None)
    accelerator = None if card is None else load_accelerator(Path("config"), card)
    with _as_it_was():
        keys = {"gradient_clip_val": 0.0, **adapter.training_keys(), "micro_batch_size": adapter.micro_batch_size()}
        keys |= {} if gradient_clip_val is None else {"gradient_clip_val": gradient_clip_val}
        training = Training(ema_decay=0, sample_every_epochs=NEVER, checkpoint_every_epochs=NEVER, **keys)
        config = ExperimentConfig.model_validate({"class": "in memory:adapter", "training": training})
        experiment = AdaptedExperiment(name, config, Path.cwd(), source=adapter)
        smoke = _rehearsal(experiment, steps, overfit_steps, minutes)
        checks, cause = _learning(experiment, training, smoke, seed, say)
        if accelerator is not None:
            judged = _memory(experiment, training, accelerator, seed)
            checks, cause = [*checks, *judged.checks], cause or judged.cause
    verdict = decide(
        checks, gate="check", experiment=name, cause=cause, measured_at=dt.datetime.now(dt.UTC), inputs_digest=""
    )
    if show:
        print(to_text(verdict, colour=sys.stdout.isatty(), width=WIDEST))
    return verdict


def _rehearsal(experiment: AdaptedExperiment, steps: int, overfit_steps: int, minutes: float) -> Smoke:
    """As many steps as were asked for, or as fit into the time at the pace of the second one."""
    took_s = _step_s(experiment)
    affordable = max(FEWEST, int(60 * minutes / 2 / max(took_s, 1e-6)))
    return Smoke(steps=min(steps, affordable), overfit_steps=min(overfit_steps, affordable), max_minutes=minutes)


def _step_s(experiment: AdaptedExperiment) -> float:
    """Seconds of an optimizer step of a copy; the first one warms up."""
    took_s = 0.0
    with torch.random.fork_rng([]):
        module = experiment.module(experiment.config.training)
        if not module.automatic_optimization:
            return took_s
        batch, optimizers = experiment.example_batch(experiment.config.training.micro_batch_size), optimizers_of(module)
        module.train()
        for index in range(2):
            began = time.monotonic()
            try:
                loss = loss_of(training_step(module, batch, index))
            except (IndexError, ValueError):  # the learning gate says why
                return took_s
            if loss is not None and loss.requires_grad:
                loss.backward()
                optimizers[0].step()
                optimizers[0].zero_grad()
            took_s = time.monotonic() - began
    return took_s


def _learning(
    experiment: AdaptedExperiment, training: Training, smoke: Smoke, seed: int, say: Callable[[str], None]
) -> tuple[list[Check], str]:
    spec = RunSpec(
        experiment=experiment.name, experiment_config=experiment.config, training=training, data=[], seed=seed,
        max_steps=smoke.steps, max_minutes=smoke.max_minutes,
    )  # fmt: skip
    gate = LearningGate()
    with tempfile.TemporaryDirectory(prefix="gonogo-") as out:
        measured, _, _ = smoke_run(experiment, spec, smoke, Path(out), say, lambda line: None, gate)
    return judge(measured, gate)


def _memory(experiment: AdaptedExperiment, training: Training, accelerator: Accelerator, seed: int) -> Verdict:
    order = TraceRequest(training=training, architecture=accelerator.architecture)
    beside = Loaders(experiment, [], seed, training).batches(training)
    traced = trace_in_fork(lambda: lightning_step(experiment, training, beside), order)
    return verdict_of(estimate(traced, training, accelerator), training, accelerator, experiment.name)


@contextlib.contextmanager
def _as_it_was() -> Iterator[None]:
    """Random numbers, threads and filtered warnings of this process are what they were, afterwards."""
    python, numbers, threads = random.getstate(), np.random.get_state(), torch.get_num_threads()
    try:
        with torch.random.fork_rng(), warnings.catch_warnings():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numbers)
        torch.set_num_threads(threads)
