"""A toy that notes what each of its processes trains on, and that strikes one of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
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
