"""The learning and the memory gate on objects of this process."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonogo.base.digests import digest
from gonogo.base.shipped import own_or_shipped
from gonogo.config.experiment import ExperimentConfig, Smoke, Training
from gonogo.config.gate_thresholds import LearningGate, MemoryGate
from gonogo.config.load import load_accelerator
from gonogo.experiment.adapted import AdaptedExperiment
from gonogo.memory.judge import Measurements as MemoryMeasurements
from gonogo.memory.judge import judge as judge_memory
from gonogo.memory.plan_search import Explored
from gonogo.verdict import Check, Verdict, decide

if TYPE_CHECKING:
    from gonogo.adapters.project import ProjectAdapter

STEPS, OVERFIT_STEPS, MINUTES = 120, 200, 5.0
FEWEST = 8  # optimizer steps


def check(
    adapter: ProjectAdapter,
    *,
    name: str = "experiment",
    card: str | None = None,
    steps: int = STEPS,
    overfit_steps: int = OVERFIT_STEPS,
    minutes: float = MINUTES,
    seed: int = 0,
    show: bool = True,
) -> Verdict:
    """Train a copy of the model for a few steps here and judge what it learned; trace its step's memory for a card.

    The objects given stay as they were; so does the state of torch's random numbers.

    Args:
        name: for people.
        card: of the catalogue, such as `h100`; None: memory is not judged.
        steps, overfit_steps: of training, and on one batch alone; fewer where `minutes` would not be enough.
        show: print progress and the verdict.

    Raises:
        UserError: what was given does not fit together, or there is no such card.
    """
    say: Callable[[str], None] = print if show else (lambda line: None)
    accelerator = None if card is None else load_accelerator(own_or_shipped(Path("config"), "config"), card)
    keys = {"gradient_clip_val": 0.0, **adapter.training_keys(), "micro_batch_size": adapter.micro_batch_size()}
    training = Training(ema_decay=0, sample_every_epochs=1_000_000, checkpoint_every_epochs=1_000_000, **keys)
    config = ExperimentConfig.model_validate({"class": "in memory:adapter"}).model_copy(update={"training": training})
    experiment = AdaptedExperiment(name, config, Path.cwd(), source=adapter)
    smoke = Smoke(steps=steps, overfit_steps=overfit_steps, max_minutes=minutes)
    checks, cause = _learning(experiment, smoke, seed, say)
    if accelerator is not None:
        judged = judge_memory(
            MemoryMeasurements(accelerator=accelerator, explored=_explored(experiment, training, accelerator)), MemoryGate()
        )
        checks, cause = [*checks, *judged.checks], cause or judged.cause
    verdict = decide(
        checks, gate="check", experiment=name, cause=cause, measured_at=time.time(), inputs_digest=digest(name)
    )
    if show:
        from gonogo.report.render import to_text
        from gonogo.report.terminal import WIDEST

        print(to_text(verdict, colour=os.isatty(1), width=WIDEST))
    return verdict
