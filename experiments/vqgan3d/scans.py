"""Volumes from files, as MONAI reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms import Compose, EnsureChannelFirst, LoadImage, Orientation, Spacing, Transform

from gonogo import UserError

SUFFIXES = (".nii.gz", ".nii")
ORIENTATION = "LPS"  # as in DICOM: axes to the left, the back and the head
AIR_HU = -1000.0


def scan_files(folder: Path) -> list[Path]:
    """The NIfTI files below a folder, sorted by path.

    Raises:
        UserError: there are none.
    """
    found = sorted(path for path in folder.rglob("*") if path.name.endswith(SUFFIXES))
    if not found:
        raise UserError(f"{folder}: no scans (*.nii.gz, *.nii)")
    return found


def read_scan(path: Path, spacing_mm: Sequence[float] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """A volume (X, Y, Z) float32 in HU, axes turned to LPS and resampled if asked, and its affine (4, 4) to RAS mm.

    Raises:
        UserError: the file cannot be read, or is not a volume with three axes.
    """
    load = LoadImage(reader="NibabelReader", image_only=True)
    try:
        volume = Compose([load, EnsureChannelFirst(), *_alignment(spacing_mm)])(path)
    except Exception as error:  # readers may raise any exception on damaged bytes
        reason = str(error.__cause__ or error).strip().splitlines()
        raise UserError(f"{path}: cannot be read as a volume ({reason[-1] if reason else error})") from None
    if volume.ndim != 4 or volume.shape[0] != 1:
        raise UserError(f"{path}: one volume with three axes is needed, not {tuple(volume.shape)}")
    return volume[0].numpy().astype(np.float32), volume.affine.numpy().astype(float)


def aligned(
    voxels: np.ndarray, affine: np.ndarray, spacing_mm: Sequence[float] | None
) -> tuple[np.ndarray, np.ndarray]:
    """The same of voxels (X, Y, Z) that are in memory, with their affine to RAS mm."""
    volume = Compose(_alignment(spacing_mm))(
        MetaTensor(torch.from_numpy(voxels)[None], affine=torch.from_numpy(affine))
    )
    return volume[0].numpy().astype(np.float32), volume.affine.numpy().astype(float)


def _alignment(spacing_mm: Sequence[float] | None) -> list[Transform]:
    turned: list[Transform] = [Orientation(ORIENTATION, labels=None)]
    if spacing_mm is not None:
        turned.append(Spacing(spacing_mm, mode="bilinear", padding_mode="border"))
    return turned


def normalised(hu: torch.Tensor, window_hu: tuple[float, float]) -> torch.Tensor:
    """HU, clipped to a window and scaled to [-1, 1]."""
    low, high = window_hu
    return (hu.float().clamp(low, high) - low) / (high - low) * 2 - 1


def in_hu(values: torch.Tensor, window_hu: tuple[float, float]) -> torch.Tensor:
    """The inverse of `normalised`."""
    low, high = window_hu
    return (values.float().clamp(-1, 1) + 1) / 2 * (high - low) + low
