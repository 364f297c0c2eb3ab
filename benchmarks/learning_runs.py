"""One run of benchmarks/learning.py: a family with a set-up, trained for real by the smoke run, and judged."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from benchmarks.learning_families import FAMILIES, Family, arrays
from benchmarks.learning_setups import FAULTS, GOOD, Setup, loader_data
from gonogo.base.errors import UserError
from gonogo.config.experiment import ExperimentConfig, Smoke, Training
from gonogo.config.gate_thresholds import LearningGate
from gonogo.experiment.measure import Measure
from gonogo.learning.judge import judge
from gonogo.learning.measurements import Measurements
from gonogo.learning.smoke import smoke_run
from gonogo.training.spec import RunSpec
from gonogo.verdict import Status
from tests.toy import PairData, PairExperiment, PairModule

BATCH, OVERFIT_STEPS = 16, 150


class BenchSettings(BaseModel):
    family: str
    setup: str
    seed: int = 0

    @property
    def of(self) -> Setup:
        return FAULTS.get(self.setup) or GOOD[self.setup]


class BenchModule(PairModule):
    """A family's model, with what the set-up changes."""

    def __init__(self, settings: BenchSettings, rate: float) -> None:
        super().__init__()
        self.settings, self.setup, self.rate = settings, settings.of, rate
        self.family: Family = FAMILIES[settings.family]
        self.unit = self.family.unit
        self.other: list[nn.Module] = []
        self.body, self.head = self.family.net()
        self._kept: Any = None
        if self.setup.built is not None:
            self.setup.built(self)

    def scale_back(self, mean: float, spread: float) -> None:
        self.unit = (mean, spread)

    def example(self) -> tuple[Tensor, Tensor]:
        x, y = arrays(self.settings.family, self.settings.seed)
        return torch.from_numpy(x[:256]), torch.from_numpy(y[:256])

    def forward(self, x: Tensor) -> Tensor:
        found = self.setup.forward(self, x) if self.setup.forward else self.head(self.body(x))
        mean, spread = self.unit
        return found if self.unit == (0.0, 1.0) else mean + spread * found

    def own_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        spread = self.unit[1] / self.family.unit[1]
        found = self.family.loss(outputs / spread, targets / spread) if spread != 1 else None
        found = self.family.loss(outputs, targets) if found is None else found
        return found + 1e-4 * self.body.divergence if hasattr(self.body, "divergence") else found

    def training_step(self, batch: list[Tensor], index: int) -> Tensor | None:
        if self.setup.skips and index % self.setup.skips == self.setup.skips - 1:
            return None
        if self.setup.caches:
            batch = self._kept = self._kept or batch
        outputs = self(batch[0])
        return (
            self.setup.loss(self, outputs, batch[1], batch[0]) if self.setup.loss else self.own_loss(outputs, batch[1])
        )

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", self.own_loss(self(batch[0]), batch[1]))

    def optimizer_zero_grad(self, *arguments: Any, **keywords: Any) -> None:
        if self.setup.clears:
            super().optimizer_zero_grad(*arguments, **keywords)

    def configure_optimizers(self) -> Any:
        if self.setup.optimizer is not None:
            return self.setup.optimizer(self)
        return torch.optim.Adam([p for p in self.parameters() if p.requires_grad], lr=self.rate)


class Stream(IterableDataset):  # type: ignore[type-arg]
    """Samples one by one, and no length."""

    def __init__(self, pairs: TensorDataset) -> None:
        self.pairs = pairs

    def __iter__(self) -> Iterator[Any]:
        return (self.pairs[index] for index in torch.randperm(len(self.pairs)).tolist())


class BenchData(PairData):
    length = True

    def train_dataloader(self) -> DataLoader:
        return super().train_dataloader() if self.length else DataLoader(Stream(self.train), self.batch_size)


class Bench(PairExperiment):
    Settings = BenchSettings
    settings: BenchSettings

    def module(self, training: Training) -> BenchModule:
        if FAMILIES[self.settings.family].kind == "samples":
            from benchmarks.learning_adversarial import AdversarialModule

            return AdversarialModule(self.settings, training.learning_rate)
        return BenchModule(self.settings, training.learning_rate)

    def datamodule(self, training: Training, folders: Sequence[Path], seed: int) -> BenchData:
        settings = self.settings
        x, y = arrays(settings.family, settings.seed)
        parts = loader_data(settings.of, FAMILIES[settings.family], x, y, np.random.default_rng([settings.seed, 3]))
        found = BenchData(TensorDataset(*parts[:2]), TensorDataset(*parts[2:]), training.micro_batch_size)
        found.length = settings.of.length
        return found

    def example_batch(self, batch_size: int) -> list[Tensor]:
        return [torch.from_numpy(part[:batch_size]) for part in arrays(self.settings.family, self.settings.seed)]

    def error(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square().mean()

    def measure(self) -> Measure:
        return FAMILIES[self.settings.family].measure(self.error)


def run(family: str, setup: str, seed: int) -> dict[str, Any]:
    """Train and judge; what was named and said, and whether that is right."""
    settings = BenchSettings(family=family, setup=setup, seed=seed)
    of = settings.of
    config = ExperimentConfig.model_validate(
        {"class": "benchmarks.learning_runs:Bench", "settings": settings.model_dump()}
    )
    keys = {"micro_batch_size": BATCH, "gradient_clip_val": 0, "ema_decay": 0, "sample_every_epochs": 1000,
            "checkpoint_every_epochs": 1000, "learning_rate": of.rate * FAMILIES[family].rate}  # fmt: skip
    training = Training(**keys | of.training)
    spec = RunSpec(
        experiment="bench", experiment_config=config, training=training, data=[], seed=seed, max_steps=of.steps
    )
    began, started = time.process_time(), time.monotonic()
    cause, checks, step_s, judge_s = "", [], 0.0, None
    try:
        with tempfile.TemporaryDirectory() as out:
            smoke = Smoke(overfit_steps=OVERFIT_STEPS, max_extension=of.extension)
            experiment = Bench("bench", config, Path())
            measured, trained, _ = smoke_run(experiment, spec, smoke, Path(out), lambda line: None, lambda line: None)
        step_s, judging = sum(trained.step_s), time.monotonic()
        checks, cause = judge(Measurements.model_validate_json(measured.model_dump_json()), LearningGate())
        judge_s = round(time.monotonic() - judging, 5)
    except UserError as error:
        cause, said = "ERROR", {"error": str(error)}
    except Exception as error:  # a traceback is a fault of the gate's own
        cause, said = "CRASH", {type(error).__name__: str(error)[:300]}
    else:
        said = {
            check.id: f"{check.status.value}: {check.why}"
            for check in checks
            if check.status is not Status.GO and not check.grey
        }
    stopped = [text for text in said.values() if text.startswith(Status.NO_GO.value)] or list(said.values())
    right = (
        cause in of.causes
        if of.causes
        else cause == "" and not any(c.status is Status.UNKNOWN and c.needed for c in checks)
    )
    named = right and (not of.word or any(of.word.lower() in text.lower() for text in stopped))
    return {
        "family": family, "setup": setup, "seed": seed, "good": not of.causes, "cause": cause, "right": right,
        "named": named, "said": said, "cpu_s": round(time.process_time() - began, 1), "judge_s": judge_s,
        "gate_s": round(time.monotonic() - started - step_s, 2), "steps_s": round(step_s, 2),
    }  # fmt: skip
