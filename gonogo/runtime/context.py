"""One execution of a stage: settings, paths and terminal. Only stages hold one; what is below them gets values."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gonogo.base.mappings import deep_merged
from gonogo.base.models import StrictModel
from gonogo.base.processes import started_at
from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.config.gate_thresholds import Gates
from gonogo.config.load import Settings
from gonogo.config.result_paths import ResultPaths
from gonogo.config.target import Target
from gonogo.config.workflow import Config
from gonogo.gates import standing
from gonogo.runtime import ledger
from gonogo.runtime.session import session_name
from gonogo.runtime.terminal import StageTerminal

if TYPE_CHECKING:
    from gonogo.experiment.contract import Experiment


DATA = "data"  # name on the machine of a folder that has none of its own
LISTING = "existing_data.json"  # in the data set's folder of results, where the data itself lies elsewhere


class ExistingData(StrictModel):
    """Data that lies elsewhere, as it was listed."""

    folder: Path
    items: int
    files: int
    size_bytes: int


@dataclass
class Run(StageTerminal):
    """One execution of a stage, as its script sees it."""

    mode: str
    settings: Settings
    started_at: float = field(default_factory=lambda: started_at(os.getpid()))  # imports included
    work_started_at: float | None = None
    work_ended_at: float | None = None
    usd: float = 0.0

    @property
    def config(self) -> Config:
        return self.settings.config

    @property
    def experiment_config(self) -> ExperimentConfig:
        """As it was written; of data that exists, with the number of items that was counted."""
        config = self.settings.experiments[self.experiment]
        known = self.existing_data if config.data else None
        return config if known is None else config.model_copy(update={"dataset_items": known.items})

    @property
    def smoke_config(self) -> ExperimentConfig:
        """The experiment as its smoke run trains it."""
        config = self.experiment_config
        settings = deep_merged(config.settings, config.smoke.settings)
        alone = {"devices": 1, "num_nodes": 1}
        training = Training.model_validate({**config.training.model_dump(), **config.smoke.training, **alone})
        return config.model_copy(update={"settings": settings, "training": training})

    @property
    def gates(self) -> Gates:
        return self.settings.gates[self.experiment]

    @property
    def target(self) -> Target:
        return self.settings.target

    @property
    def asked_training(self) -> Training:
        """The training keys that the configuration asks for: what the memory gate judges."""
        return self.settings.training(self.experiment)

    @property
    def training(self) -> Training:
        """What this mode trains with: the memory gate's plan once there is one, else what was asked for."""
        planned = self.paths.training
        return Training.model_validate_json(planned.read_text()) if planned.exists() else self.asked_training

    def load_experiment(self, *, smoke: bool = False) -> Experiment:
        """The experiment, with what its `prepare` made.

        Args:
            smoke: with the settings of its smoke run.
        """
        from gonogo.experiment.load import load_experiment
        from gonogo.experiment.starting_checkpoint import start_of

        config = self.smoke_config if smoke else self.experiment_config
        experiment = load_experiment(self.experiment, config, self.settings.root, self.paths.assets)
        experiment.starts_from = start_of(self.settings, self.experiment)
        return experiment

    @property
    def paths(self) -> ResultPaths:
        return self.settings.paths(self.experiment, self.mode)

    @property
    def shards(self) -> list[Path]:
        """The data set's folders below `results_dir`."""
        return self.paths.shards(self.settings.experiments[self.experiment].shards)

    @property
    def data(self) -> dict[str, Path]:
        """Name below the experiment's folder on the machine → folder that holds data.

        Generated shards lie in data/; data that exists has its place in the repository there, too, if it has one.
        """
        config = self.settings.experiments[self.experiment]
        if config.data is None:
            return {f"data/{shard.name}": shard for shard in self.shards}
        folder = (self.settings.root / config.data.expanduser()).resolve()
        if config.data_in_repository:
            return {f"code/{config.data_in_repository.as_posix()}": folder}
        return {f"data/{DATA if folder.name.startswith('.') else folder.name or DATA}": folder}

    @property
    def data_folders(self) -> list[Path]:
        return list(self.data.values())

    @property
    def existing_data(self) -> ExistingData | None:
        """What `dataset` listed; None before it did, and of data that is generated."""
        (file,) = [folder / LISTING for folder in self.shards[:1]]
        return ExistingData.model_validate_json(file.read_text()) if file.is_file() else None

    @property
    def sample_shards(self) -> list[Path]:
        """The sample's folders: one, and another for each time that it did not decide."""
        return self.paths.sample_shards(standing.rounds(standing.below(self.paths.experiment, "")))

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
