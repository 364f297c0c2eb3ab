"""The data of `vqgan3d`: one NIfTI file per volume, in Hounsfield units, with its voxel size and orientation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel
import numpy as np

from experiments.vqgan3d.phantom import phantom
from experiments.vqgan3d.settings import ScanSettings
from gonogo import too_few, write_text

RESCALE_INTERCEPT = -1024  # of most scanners: stored value + intercept = HU

Progress = Callable[[int, int], None]


def prepare(settings: ScanSettings, inputs: Path | None, out: Path) -> None:
    """Check the scans of `inputs`, and write how many there are to `inputs.md`.

    Raises:
        UserError: there are none, or some cannot be used.
    """
    out.mkdir(parents=True, exist_ok=True)
    if inputs is None:
        return
    from experiments.vqgan3d.own_scans import find_scans

    scans = find_scans(inputs, settings)
    of_series = sum(len(scan.files) > 1 for scan in scans)
    told = f"{inputs}: {len(scans)} scans, {of_series} of them DICOM series"
    print(told, flush=True)
    write_text(out / "inputs.md", f"- {told}\n")


def generate(
    settings: ScanSettings, inputs: Path | None, indices: Sequence[int], out: Path, seed: int, progress: Progress
) -> None:
    """Write the volumes with these indices into `out`: phantoms, or the scans of `inputs` in the order of their names.

    A phantom is `volume_0007.nii.gz`; a scan keeps its name after the number, `volume_0007_sub-07_ct.nii.gz`, which
    identifies its subject; a DICOM series is named after its patient.

    Raises:
        UserError: there are fewer scans than requested, or one of them cannot be read.
    """
    if inputs is not None:  # phantoms need neither MONAI nor torch, whose import takes seconds
        from experiments.vqgan3d.own_scans import find_scans
    scans = None if inputs is None else find_scans(inputs, settings)
    out.mkdir(parents=True, exist_ok=True)
    for done, index in enumerate(indices, start=1):
        if scans is None:
            hu, size = phantom(settings, index, seed)
            name, affine = f"volume_{index:04d}", np.diag([-size[0], -size[1], size[2], 1.0])
        else:
            if index >= len(scans):
                assert inputs is not None
                raise too_few(inputs, len(scans), index, "scans")
            hu, affine = scans[index].read(settings)
            name = f"volume_{index:04d}_{scans[index].name}"
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
