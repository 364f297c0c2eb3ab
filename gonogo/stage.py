"""What every stage of the workflow has in common: its log, its ledger row, its errors, and its end with its owner.

A script's body is `with stage(snakemake) as run:`; inside, `with run.work():` marks what is the experiment's own
work (generating, training, tracing, transferring), so that the chain's overhead can be told.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, TextIO

import psutil

from gonogo import gates, ledger, lifetime
from gonogo.config import Config, ExperimentConfig, Training
from gonogo.configload import Settings, laid_over, load
from gonogo.errors import UserError, explain
from gonogo.experiment import Experiment, load_experiment
from gonogo.session import owner_pid, session_name, workflow_root
from gonogo.starts import start_of
from gonogo.startup import about_to_end
from gonogo.target import Target
from gonogo.thresholds import Gates
from gonogo.troubles import hint_for

INTERRUPTED = 130  # as a shell's exit code says it


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
        settings = laid_over(config.settings, config.smoke.settings)
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
        rounds = gates.rounds(self.results)
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


class stage:
    """Context of one script. A UserError, or a full disk, becomes one message and exit code 1."""

    def __init__(self, snakemake: Any) -> None:
        self._snakemake = snakemake

    def __enter__(self) -> Run:
        job = self._snakemake
        name = "_".join([job.rule, *([job.wildcards.scope] if "scope" in job.wildcards.keys() else [])])  # noqa: SIM118
        lifetime.watch(owner_pid(), lambda: os._exit(1))
        try:
            settings = load(job.config, workflow_root())
            log_path = Path(job.log[0])
            log_path.parent.mkdir(parents=True, exist_ok=True)
            log = log_path.open("w", buffering=1)
        except UserError as error:
            _give_up(name, str(error))
        except OSError as error:
            _give_up(name, str(explain(error, Path.cwd()) or error))
        self._stdout = contextlib.redirect_stdout(log)  # what libraries print is for the log
        self._stdout.__enter__()
        self.run = Run(
            stage=name,
            experiment=job.wildcards.experiment,
            mode=getattr(job.wildcards, "mode", ""),
            settings=settings,
            log=log,
        )
        self._row: int | None = None
        with contextlib.suppress(OSError, sqlite3.Error):
            self._row = ledger.begin(self.run.ledger_path, self.run.row(ledger.RUNNING))
        return self.run

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run.end_progress()
        self._stdout.__exit__(kind, error, trace)
        about_to_end()
        failed = error is not None and not (isinstance(error, SystemExit) and not error.code)
        interrupted = isinstance(error, KeyboardInterrupt)
        row = self.run.row("interrupted" if interrupted else "failed" if failed else "done")
        with contextlib.suppress(OSError):
            if self._row is None:
                ledger.add(self.run.ledger_path, row)
            else:
                ledger.end(self.run.ledger_path, self._row, row)
        if isinstance(error, Exception) and not isinstance(error, UserError):
            error = explain(error, self.run.config.results_dir) or error
        if isinstance(error, UserError):
            self.run.note(str(error))
            _give_up(f"{self.run.experiment}: {self.run.stage}", str(error))
        if isinstance(error, KeyboardInterrupt):
            self.run.note("interrupted")
            sys.exit(INTERRUPTED)
        if error is not None and not isinstance(error, SystemExit):
            traceback.print_exception(kind, error, trace, file=self.run.log)
            if hint := hint_for(f"{type(error).__name__}: {error}"):
                self.run.note(f"hint: {hint}")
                print(f"hint: {hint}", file=sys.stderr, flush=True)
        self.run.log.close()


def _give_up(where: str, message: str) -> NoReturn:
    print(f"error: {where}: {message}", file=sys.stderr, flush=True)
    sys.exit(1)
