"""Batches of windows from the recordings that the generator wrote, split by subject."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from experiments.eeg.cache import Files, find, verify
from experiments.eeg.settings import DataSettings, EEGSettings
from gonogo import Training, loader

SCALE_UV = 20.0  # about the spread of EEG, so the network's input is near 1

Batch: TypeAlias = dict[str, Any]
"""`windows` (B, channels, samples) float32 in units of 20 µV, `target` (B, 1) float32, `subject` a list of B names."""


class EEGDataModule(LightningDataModule):
    """The recordings below the folders `data`, each verified; held out by whole subjects.

    Attributes:
        train_files, val_files: recordings, sorted by name.

    Raises:
        UserError: there are fewer than two, or one is missing, incomplete, or contains NaN or infinity.
    """

    def __init__(
        self, settings: EEGSettings, training: Training, data: Sequence[Path], seed: int, validation_share: float
    ) -> None:
        super().__init__()
        self.settings, self.training, self.seed = settings.data, training, seed
        files = find(data)
        self._counts = {path: verify(path, settings.data.channels, settings.data.window_samples) for path in files}
        self.train_files, self.val_files = split(files, settings.split, seed, validation_share)

    def windows(self, files: Sequence[Path]) -> Windows:
        return Windows(files, [self._counts[path] for path in files])

    def train_dataloader(self) -> DataLoader[Batch]:
        windows = self.windows(self.train_files)
        return loader(windows, self.training, self.seed, drop_last=len(windows) > self.training.micro_batch_size)

    def val_dataloader(self) -> DataLoader[Batch]:
        windows = self.windows(self.val_files)
        # always in the same order, of mixed subjects: a single batch shows several people, not one
        order = np.random.default_rng(self.seed).permutation(len(windows)).tolist()
        return loader(Subset(windows, order), self.training)


class Windows(Dataset[Batch]):
    """Every window of some recordings. A file is opened when its first window is requested.

    Args:
        counts: number of windows of each file.
    """

    def __init__(self, files: Sequence[Path], counts: Sequence[int]) -> None:
        self.files = list(files)
        self._ends = list(accumulate(counts))
        self._open = Files()

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> Batch:
        which = bisect_right(self._ends, index)
        file = self._open.get(self.files[which])
        within = index - (self._ends[which - 1] if which else 0)
        return {
            "windows": torch.from_numpy(file["data"][within] / SCALE_UV),
            "target": torch.from_numpy(file["targets"][within : within + 1]),
            "subject": subject_of(self.files[which]),
        }


def subject_of(path: Path) -> str:
    """`sub-0007` of `sub-0007_run-1.h5`."""
    return path.stem.partition("_")[0]


def split(files: Sequence[Path], by: str, seed: int, validation_share: float) -> tuple[list[Path], list[Path]]:
    """(training, validation): whole subjects are held out, or whole recordings. At least one of them on each side."""
    names = {path: subject_of(path) if by == "subject" else path.name for path in files}
    units = sorted(set(names.values()))
    count = min(max(1, round(validation_share * len(units))), len(units) - 1)
    held_out = set(np.random.default_rng(seed).permutation(units)[:count])
    return [p for p in files if names[p] not in held_out], [p for p in files if names[p] in held_out]


def example_batch(settings: DataSettings, batch_size: int, device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """A random batch with the shapes and dtypes of training."""
    return {
        "windows": torch.randn(batch_size, settings.channels, settings.window_samples, device=device),
        "target": torch.randn(batch_size, 1, device=device),
    }
