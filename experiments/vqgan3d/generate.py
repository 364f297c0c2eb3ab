"""The data of `vqgan3d`: one NIfTI file per volume, in Hounsfield units, with its voxel size and orientation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel
import numpy as np

from experiments.vqgan3d.phantom import phantom
from experiments.vqgan3d.settings import ScanSettings
from gonogo import UserError

RESCALE_INTERCEPT = -1024  # of most scanners: stored value + intercept = HU

Progress = Callable[[int, int], None]


def generate(
    settings: ScanSettings, inputs: Path | None, indices: Sequence[int], out: Path, seed: int, progress: Progress
) -> None:
    """Write the volumes with these indices into `out`: phantoms, or the scans of `inputs` in the order of their names.

    A phantom is `volume_0007.nii.gz`; a scan keeps its name after the number, `volume_0007_sub-07_ct.nii.gz`, which
    identifies its subject.

    Raises:
        UserError: there are fewer scans than requested, or one of them cannot be read.
    """
    if inputs is not None:  # phantoms need neither MONAI nor torch, whose import takes seconds
        from experiments.vqgan3d.scans import read_scan, scan_files
    scans = None if inputs is None else scan_files(inputs)
    out.mkdir(parents=True, exist_ok=True)
    for done, index in enumerate(indices, start=1):
        if scans is None:
            hu, size = phantom(settings, index, seed)
            name, affine = f"volume_{index:04d}", np.diag([-size[0], -size[1], size[2], 1.0])
        else:
            if index >= len(scans):
                raise UserError(f"{inputs}: {len(scans)} scans; item {index} was requested: lower `dataset_items`")
            hu, affine = read_scan(scans[index], settings.spacing_mm)
            name = f"volume_{index:04d}_{scans[index].name.split('.nii')[0]}"
        write_volume(out / f"{name}.nii.gz", hu, affine, settings)
        progress(done, len(indices))


def write_volume(path: Path, hu: np.ndarray, affine: np.ndarray, settings: ScanSettings | None = None) -> None:
    """Write HU as int16, with equal sform and qform; `settings` may drop the scale or the affine."""
    settings = settings or ScanSettings()
    if settings.apply_rescale:
        stored = hu.round().clip(-32768, 32767).astype(np.int16)
    else:
        stored = (hu.round() - RESCALE_INTERCEPT).clip(0, 65535).astype(np.uint16)
    if not settings.keep_affine:
        affine = np.eye(4)
    image = nibabel.Nifti1Image(stored, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    image.header.set_xyzt_units("mm")
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)
