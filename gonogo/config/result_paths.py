"""Where the stages of an experiment leave their files, below `results_dir`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ResultPaths:
    """Files of one experiment in one mode."""

    experiment: Path  # folder of what does not depend on the mode
    mode: str  # its name; what depends on it lies in a folder of that name

    @property
    def in_mode(self) -> Path:
        return self.experiment / self.mode

    @property
    def assets(self) -> Path:
        return self.experiment / "assets"

    @property
    def sample(self) -> Path:
        return self.experiment / "sample"

    def sample_shards(self, rounds: int) -> list[Path]:
        """One for each time that the sample was judged, each time with more of it."""
        return [self.sample / f"shard_{part}" for part in range(rounds)]

    def shards(self, count: int) -> list[Path]:
        """The data set's folders."""
        return [self.experiment / "dataset" / f"shard_{part}" for part in range(count)]

    def measured(self, scope: str, shard: Path) -> Path:
        """Where the measurements of a folder of the sample, or of the data set, lie."""
        return self.experiment / "quality" / "measured" / scope / shard.name

    def quality_cache(self, data: Path) -> Path:
        """What was measured of the files of a folder of the sample, or of the data set, by their contents."""
        return self.experiment / "quality" / "cache" / f"{data.parent.name}_{data.name.removeprefix('shard_')}.sqlite"

    @property
    def smoke_train(self) -> Path:
        return self.experiment / "smoke_train"

    @property
    def speed(self) -> Path:
        return self.experiment / "learning" / "speed.json"

    @property
    def loss_curve(self) -> Path:
        return self.experiment / "learning" / "loss_curve.png"

    @property
    def approval(self) -> Path:
        """Beside the sample that was approved, which variants of a sweep share."""
        owner = self.sample.resolve().parent.name if self.sample.is_symlink() else self.experiment.name
        return self.experiment.with_name(owner) / "approval.json"

    @property
    def training(self) -> Path:
        """The training keys that the memory gate let pass."""
        return self.in_mode / "memory" / "training.json"

    @property
    def memory_plan(self) -> Path:
        return self.in_mode / "memory" / "plan.json"

    @property
    def forecast(self) -> Path:
        return self.in_mode / "forecast" / "forecast.json"

    @property
    def canary(self) -> Path:
        return self.in_mode / "canary"

    @property
    def cloud_train(self) -> Path:
        return self.in_mode / "cloud_train"

    @property
    def paid_run(self) -> Path:
        """What `cloud_train` reports of the run that it saw to its end."""
        return self.cloud_train / "run.json"

    @property
    def archive(self) -> Path:
        """What `download` reports: where the run's folder is now."""
        return self.in_mode / "download" / "archive.json"

    @property
    def results(self) -> Path:
        """Folder of the results gate."""
        return self.in_mode / "results"

    @property
    def report(self) -> Path:
        return self.in_mode / "report" / "report.html"
