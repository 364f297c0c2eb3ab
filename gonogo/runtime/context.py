"""One execution of a stage: its settings, its paths and its terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import psutil

from gonogo.base.mappings import deep_merged
from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.config.gate_thresholds import Gates
from gonogo.config.load import Settings
from gonogo.config.target import Target
from gonogo.config.workflow import Config
from gonogo.experiment.contract import Experiment
from gonogo.experiment.load import load_experiment
from gonogo.experiment.starting_checkpoint import start_of
from gonogo.gates import standing
from gonogo.runtime import ledger
from gonogo.runtime.session import session_name


@dataclass
class Run:
    """One execution of a stage, as its script sees it."""

    stage: str
    experiment: str
    mode: str
    settings: Settings
    log: TextIO
    started_at: float = field(default_factory=lambda: psutil.Process().create_time())  # imports included
    work_started_at: float | None = None
    work_ended_at: float | None = None
    usd: float = 0.0

    @property
    def config(self) -> Config:
        return self.settings.config

    @property
    def experiment_config(self) -> ExperimentConfig:
        return self.settings.experiments[self.experiment]

    @property
    def rehearsed_config(self) -> ExperimentConfig:
        """The experiment as its smoke run trains it."""
        config = self.experiment_config
        settings = deep_merged(config.settings, config.smoke.settings)
        training = Training.model_validate({**config.training.model_dump(), **config.smoke.training})
        return config.model_copy(update={"settings": settings, "training": training})

    @property
    def gates(self) -> Gates:
        return self.settings.gates[self.experiment]

    @property
    def asked_training(self) -> Training:
        """The training keys that the configuration asks for: what the memory gate judges."""
        return self.settings.training(self.experiment)

    @property
    def training(self) -> Training:
        """What this mode trains with: the memory gate's plan once there is one, else what was asked for."""
        planned = self.results / self.mode / "memory" / "training.json"
        return Training.model_validate_json(planned.read_text()) if planned.exists() else self.asked_training

    def load_experiment(self, *, rehearsed: bool = False) -> Experiment:
        """The experiment, with what its `prepare` made.

        Args:
            rehearsed: with the settings of its smoke run.
        """
        config = self.rehearsed_config if rehearsed else self.experiment_config
        experiment = load_experiment(self.experiment, config, self.settings.root, self.results / "assets")
        experiment.starts_from = start_of(self.settings, self.experiment)
        return experiment

    @property
    def results(self) -> Path:
        """What does not depend on the mode; `results / mode` holds what does."""
        return self.config.results_dir / self.experiment

    @property
    def shards(self) -> list[Path]:
        return [self.results / "dataset" / f"shard_{part}" for part in range(self.experiment_config.shards)]

    @property
    def sample_shards(self) -> list[Path]:
        """The sample's folders: one, and another for each time that it did not decide."""
        rounds = standing.rounds(self.results)
        return [self.results / "sample" / f"shard_{part}" for part in range(rounds)]

    def measured(self, scope: str, shard: Path) -> Path:
        """Where the measurements of a folder of the sample, or of the set, lie."""
        return self.results / "quality" / "measured" / scope / shard.name

    @property
    def target(self) -> Target:
        return self.settings.target

    @property
    def ledger_path(self) -> Path:
        return self.config.results_dir / "ledger.sqlite"

    @contextlib.contextmanager
    def work(self) -> Iterator[None]:
        """The part of the stage that a person would wait for without this workflow, too."""
        self.work_started_at = self.work_started_at or time.time()
        try:
            yield
        finally:
            self.work_ended_at = time.time()

    @property
    def colour(self) -> bool:
        return sys.stderr.isatty() and "NO_COLOR" not in os.environ

    def say(self, text: str) -> None:
        """One line for the terminal and the log."""
        self.end_progress()
        line = f"{self.experiment:10s} {self.stage:15s} {text}"
        print(line, file=sys.stderr, flush=True)
        self.note(text)

    def note(self, text: str) -> None:
        """One line for the log alone."""
        print(time.strftime("%H:%M:%S"), text, file=self.log, flush=True)

    def progress(self, text: str) -> None:
        """A line that the next one replaces; only where someone is looking at a terminal."""
        if sys.stderr.isatty():
            print(f"\r\x1b[2K{self.experiment:10s} {self.stage:15s} {text}", end="", file=sys.stderr, flush=True)

    def end_progress(self) -> None:
        if sys.stderr.isatty():
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)

    def row(self, outcome: str) -> ledger.Row:
        return ledger.Row(
            session=session_name(),
            experiment=self.experiment,
            mode=self.mode,
            stage=self.stage,
            started_at=self.started_at,
            wall_s=time.time() - self.started_at,
            work_started_at=self.work_started_at,
            work_ended_at=self.work_ended_at,
            usd=self.usd,
            outcome=outcome,
            note=self.config.note,
        )
