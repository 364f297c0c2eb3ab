"""The smallest experiments that fulfil the contract: of pairs, and of pictures to their mirror images."""

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


class PairModule(LightningModule):
    """Learns `targets` from `inputs` by its `forward`."""

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return (self(batch[0]) - batch[1]).square().mean()

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", (self(batch[0]) - batch[1]).abs().mean())

    def predict_step(self, batch: list[Tensor], index: int) -> Tensor:
        return self(batch[0])


class PairData(LightningDataModule):
    """Two sides, of inputs and targets in memory."""

    def __init__(self, train: TensorDataset, held_out: TensorDataset, batch_size: int) -> None:
        super().__init__()
        self.train, self.held_out, self.batch_size = train, held_out, batch_size

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.held_out, self.batch_size)


class PairExperiment(LightningExperiment):
    """Batches are [inputs, targets]; a subclass gives settings, module and data."""

    kind = "none"

    def prepare(self, out: Path, seed: int) -> dict[str, Any]:
        return {}

    def generate(self, indices: Sequence[int], out: Path, seed: int, progress: Progress) -> None:
        raise NotImplementedError("its data is made in memory")

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
        out.write_bytes(outputs.cpu().numpy().tobytes())


class ToySettings(BaseModel):
    fault: str = ""  # dark | blind | unwired | nan


class ToyModule(PairModule):
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
        return super().training_step(batch, index)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.training_config.learning_rate)


class Toy(PairExperiment):
    Settings = ToySettings
    settings: ToySettings

    def module(self, training: Training) -> ToyModule:
        return ToyModule(training, self.settings.fault)

    def datamodule(self, training: Training, data: Sequence[Path], seed: int) -> PairData:
        x = torch.rand(80, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
        y = x.flip(-1) * (0.05 if self.settings.fault == "dark" else 0.9)
        return PairData(TensorDataset(x[:64], y[:64]), TensorDataset(x[64:], y[64:]), training.micro_batch_size)

    def example_batch(self, batch_size: int) -> list[Tensor]:
        return [torch.zeros(batch_size, 1, SIDE, SIDE)] * 2


def toy(fault: str = "") -> Toy:
    return Toy("toy", config(fault), Path())


def config(fault: str = "") -> ExperimentConfig:
    return ExperimentConfig.model_validate({"class": "tests.toy:Toy", "settings": {"fault": fault}})
