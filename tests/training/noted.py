"""A toy that notes what each of its processes trains on, and that strikes one of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from gonogo.config.experiment import Training
from tests.toy import SIDE, PairData, Toy, ToyModule, ToySettings

STRUCK = 6  # batch


class NotedSettings(ToySettings):
    notes: Path


class NotedModule(ToyModule):
    notes: Path
    batches = 0

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        rank, self.batches = int(os.environ.get("LOCAL_RANK", "0")), self.batches + 1
        with (self.notes / f"rank_{rank}.txt").open("a") as notes:
            numbers = " ".join(f"{value:.0f}" for value in batch[0].flatten(1).amax(1))
            notes.write(f"{self.current_epoch}|{numbers}|{torch.rand(1).item()}|{os.getpid()}\n")
        if rank == 1 and self.batches == STRUCK and self.trainer.ckpt_path is None:
            if self.fault == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.fault == "hung":
                os.kill(os.getpid(), signal.SIGSTOP)
            if self.fault == "out of memory":
                raise MemoryError("CUDA out of memory. Tried to allocate 2 GiB")
            if self.fault == "not a number":
                return super().training_step(batch, index) * float("nan")
        return super().training_step(batch, index)


class Stream(IterableDataset):
    def __iter__(self) -> object:
        return iter([[torch.zeros(1, SIDE, SIDE)] * 2] * 64)


class StreamData(PairData):
    def train_dataloader(self) -> DataLoader:
        return DataLoader(Stream(), self.batch_size)


class Noted(Toy):
    Settings = NotedSettings
    settings: NotedSettings

    def module(self, training: Training) -> NotedModule:
        module = NotedModule(training, self.settings.fault)
        module.notes = self.settings.notes
        return module

    def datamodule(self, training: Training, data: Sequence[Path], seed: int) -> PairData:
        x = torch.arange(80.0).reshape(80, 1, 1, 1).expand(80, 1, SIDE, SIDE).clone()
        kind = StreamData if self.settings.fault == "stream" else PairData
        return kind(TensorDataset(x[:64], x[:64] / 64), TensorDataset(x[64:], x[64:] / 64), training.micro_batch_size)


class BlocksModule(NotedModule):
    """Blocks in a list, a layer beside them, and a moving average of all."""

    def __init__(self, training: Training, fault: str) -> None:
        super().__init__(training, fault)
        pixels = SIDE * SIDE
        self.net = nn.ModuleDict({
            "blocks": nn.ModuleList([nn.Sequential(nn.Linear(pixels, pixels), nn.Tanh()) for _ in range(3)]),
            "head": nn.Linear(pixels, pixels),
        })  # fmt: skip
        self.average = AveragedModel(self.net, multi_avg_fn=get_ema_multi_avg_fn(0.5)).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self._through(self.net, x) if self.training else self._through(self.average.module, x)

    def _through(self, net: nn.ModuleDict, x: Tensor) -> Tensor:
        found = x.flatten(1) / 64
        for block in net["blocks"]:
            found = found + block(found)
        return net["head"](found).reshape(x.shape)

    def on_train_batch_end(self, outputs: object, batch: object, index: int) -> None:
        self.average.update_parameters(self.net)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.net.parameters(), lr=self.training_config.learning_rate)


class Blocks(Noted):
    def module(self, training: Training) -> BlocksModule:
        module = BlocksModule(training, self.settings.fault)
        module.notes = self.settings.notes
        return module
