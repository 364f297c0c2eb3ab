"""Batches of parts for the Trainer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from experiments.cad_mllm.data import Batch, Parts, find_items, split
from experiments.cad_mllm.settings import CADSettings
from gonogo import Training, loader


class CADDataModule(LightningDataModule):
    """The parts below the folders `data`, split by program: held-out parts are the same in every stage.

    Attributes:
        train_items, val_items: the parts' .json files, sorted by name.

    Raises:
        UserError: there are fewer than two parts, or one of them cannot be read.
    """

    def __init__(
        self, settings: CADSettings, training: Training, data: Sequence[Path], seed: int, validation_share: float
    ) -> None:
        super().__init__()
        self.settings, self.training, self.seed = settings, training, seed
        self.train_items, self.val_items = split(find_items(data), seed, validation_share)

    @cached_property
    def train_parts(self) -> Parts:
        return Parts(self.train_items, self.settings)

    @cached_property
    def val_parts(self) -> Parts:
        return Parts(self.val_items, self.settings)

    def train_dataloader(self) -> DataLoader[Batch]:
        return loader(self.train_parts, self.training, self.seed)

    def val_dataloader(self) -> DataLoader[Batch]:
        return loader(self.val_parts, self.training)
