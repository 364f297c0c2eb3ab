"""The smallest experiment that fulfils the contract: pictures to their mirror images, with faults to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from pydantic import BaseModel
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.experiment.contract import Progress
from gonogo.experiment.lightning import LightningExperiment

SIDE = 6


class ToySettings(BaseModel):
    fault: str = ""  # dark | blind | unwired | nan


class ToyModule(LightningModule):
    def __init__(self, training: Training, fault: str) -> None:
        super().__init__()
        self.training_config, self.fault = training, fault
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, SIDE * SIDE))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(torch.zeros_like(x) if self.fault == "blind" else x).view_as(x)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x, y = batch
        if self.fault == "nan" and self._trainer and self.global_step == 5:
            return (self(x) * float("nan")).mean()
        if self.fault == "unwired":
            return (self(x) * 0).sum() + (y**2).mean()
        return (self(x) - y).square().mean()

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", (self(batch[0]) - batch[1]).abs().mean())

    def predict_step(self, batch: list[Tensor], index: int) -> Tensor:
        return self(batch[0])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.training_config.learning_rate)


class ToyData(LightningDataModule):
    def __init__(self, batch_size: int, fault: str, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        x = torch.rand(80, 1, SIDE, SIDE, generator=generator)
        y = x.flip(-1) * (0.05 if fault == "dark" else 0.9)
        self.batch_size, self.train, self.held_out = (
            batch_size,
            TensorDataset(x[:64], y[:64]),
            TensorDataset(x[64:], y[64:]),
        )

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.held_out, self.batch_size)


class Toy(LightningExperiment):
    kind = "none"
    Settings = ToySettings
    settings: ToySettings

    def prepare(self, out: Path, seed: int) -> dict[str, Any]:
        return {}

    def generate(self, indices: Sequence[int], out: Path, seed: int, progress: Progress) -> None:
        raise NotImplementedError("its data is made in memory")

    def module(self, training: Training) -> ToyModule:
        return ToyModule(training, self.settings.fault)

    def datamodule(self, training: Training, data: Sequence[Path], seed: int) -> ToyData:
        return ToyData(training.micro_batch_size, self.settings.fault, seed)

    def example_batch(self, batch_size: int) -> list[Tensor]:
        return [torch.zeros(batch_size, 1, SIDE, SIDE)] * 2

    def inputs(self, batch: list[Tensor]) -> Tensor:
        return batch[0]

    def targets(self, batch: list[Tensor]) -> Tensor:
        return batch[1]

    def without_input(self, batch: list[Tensor]) -> list[Tensor]:
        return [torch.zeros_like(batch[0]), batch[1]]

    def predict(self, checkpoint: Path, data: Sequence[Path], out: Path, seed: int) -> dict[str, float]:
        raise NotImplementedError("nothing asks for it")

    def show(self, batch: list[Tensor], outputs: Tensor, out: Path) -> None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(outputs.numpy().tobytes())


def toy(fault: str = "") -> Toy:
    return Toy("toy", config(fault), Path())


def config(fault: str = "") -> ExperimentConfig:
    return ExperimentConfig.model_validate({"class": "tests.toy:Toy", "settings": {"fault": fault}})
