"""Batches of patches from the generated volumes, split by whole volumes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from experiments.vqgan3d.scans import normalised, read_scan, scan_files
from experiments.vqgan3d.settings import PatchSettings
from gonogo import Training, UserError, loader, patch_starts, subject_of

Batch: TypeAlias = dict[str, Any]
"""float32 in [-1, 1]: `input` and `target` (B, 1, X, Y, Z), the same patch; `volume`: list of the subjects' names."""


class CTDataModule(LightningDataModule):
    """Patches of the volumes below the folders `data`; whole subjects are held out.

    Attributes:
        train_volumes, val_volumes: files, sorted by name.

    Raises:
        UserError: there are fewer than two volumes, or one of them cannot be read or is smaller than a patch.
    """

    def __init__(
        self, settings: PatchSettings, training: Training, data: Sequence[Path], seed: int, validation_share: float
    ) -> None:
        super().__init__()
        self.settings, self.training, self.seed = settings, training, seed
        self.train_volumes, self.val_volumes = split(find_volumes(data), seed, validation_share)

    @cached_property
    def train_patches(self) -> Patches:
        return Patches(self.train_volumes, self.settings)

    @cached_property
    def val_patches(self) -> Patches:
        return Patches(self.val_volumes, self.settings)

    def train_dataloader(self) -> DataLoader[Batch]:
        return loader(self.train_patches, self.training, self.seed)

    def val_dataloader(self) -> DataLoader[Batch]:
        return loader(self.val_patches, self.training)


def find_volumes(data: Sequence[Path]) -> list[Path]:
    """The volumes anywhere below the folders of `data`, sorted by name.

    Raises:
        UserError: there are fewer than two, or two of the same name.
    """
    found = sorted((path for folder in data for path in scan_files(folder)), key=lambda path: path.name)
    if len(found) < 2:
        raise UserError(f"{', '.join(map(str, data))}: {len(found)} volumes; at least two are needed")
    names = [path.name for path in found]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise UserError(f"{twice} occurs twice; name data folders that do not overlap")
    return found


def subject(volume: Path) -> str:
    """The subject of a scan; a file whose name does not say is a subject of its own."""
    return subject_of(volume.name) or volume.name


def split(volumes: Sequence[Path], seed: int, validation_share: float) -> tuple[list[Path], list[Path]]:
    """(training, validation) by whole subjects, at least one in each; the same seed gives the same split.

    The held-out share is rounded up: of 42 volumes at 0.2, nine. Volumes of a single subject are split individually.
    """
    subjects = [subject(volume) for volume in volumes]
    if len(set(subjects)) == 1:
        subjects = [volume.name for volume in volumes]
    wanted = math.ceil(validation_share * len(volumes) - 1e-9)
    held_out: set[str] = set()
    for name in np.random.default_rng(seed).permutation(sorted(set(subjects)))[:-1]:
        if held_out and sum(one in held_out for one in subjects) >= wanted:
            break
        held_out.add(str(name))
    train = [volume for volume, name in zip(volumes, subjects, strict=True) if name not in held_out]
    return train, [volume for volume, name in zip(volumes, subjects, strict=True) if name in held_out]


class Patches(Dataset[Batch]):
    """Every patch of some volumes, which are kept in memory as int16: two bytes per voxel.

    Attributes:
        places: (volume, corner) of each sample.
    """

    def __init__(self, volumes: Sequence[Path], settings: PatchSettings) -> None:
        self.settings = settings
        self.subjects = [subject(volume) for volume in volumes]
        self.voxels = [
            torch.from_numpy(read_scan(path)[0].round().clip(-32768, 32767).astype(np.int16)) for path in volumes
        ]
        self.places: list[tuple[int, tuple[int, int, int]]] = []
        for number, (path, voxels) in enumerate(zip(volumes, self.voxels, strict=True)):
            corners = patch_corners(voxels.shape, settings)
            if not corners:
                raise UserError(f"{path}: {tuple(voxels.shape)} voxels, smaller than a patch of {settings.size}")
            self.places += [(number, corner) for corner in corners]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Batch:
        number, corner = self.places[index]
        where = tuple(slice(at, at + side) for at, side in zip(corner, self.settings.size, strict=True))
        patch = normalised(self.voxels[number][where], self.settings.window_hu)[None]
        return {"input": patch, "target": patch, "volume": self.subjects[number]}


def patch_corners(shape: Sequence[int], settings: PatchSettings) -> list[tuple[int, int, int]]:
    """First voxels of a volume's patches; none where an axis is shorter than the patch."""
    starts = [
        patch_starts(length, side, stride, settings.tail_anchored)
        for length, side, stride in zip(shape, settings.size, settings.stride, strict=True)
    ]
    return [(x, y, z) for x, y, z in product(*starts)]


def example_batch(settings: PatchSettings, batch_size: int) -> Batch:
    """A random batch with the shapes and dtypes of training."""
    patch = torch.rand(batch_size, 1, *settings.size) * 2 - 1
    return {"input": patch, "target": patch, "volume": ["example"] * batch_size}


def mean_volume(patches: Patches, window_hu: tuple[float, float]) -> Tensor:
    """(1, 1, X, Y, Z) in [-1, 1], the mean training volume in the shape of the first: the baseline."""
    shape = patches.voxels[0].shape
    total = torch.zeros(1, 1, *shape, dtype=torch.float64)
    for voxels in patches.voxels:
        total += resized(normalised(voxels, window_hu)[None, None], shape)
    return (total / len(patches.voxels)).float()


def resized(volume: Tensor, shape: Sequence[int]) -> Tensor:
    """(1, 1, X, Y, Z) resampled to a shape."""
    if tuple(volume.shape[2:]) == tuple(shape):
        return volume
    return torch.nn.functional.interpolate(volume, size=tuple(shape), mode="trilinear")
