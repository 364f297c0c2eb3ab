"""One new volume, reconstructed by a trained checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from experiments.vqgan3d.generate import write_volume
from experiments.vqgan3d.module import VALUES, VQGAN3DModule
from experiments.vqgan3d.predict import blended
from experiments.vqgan3d.scans import in_hu, normalised, read_scan
from experiments.vqgan3d.settings import VQGAN3DSettings
from gonogo import Training, UserError, trained


@torch.no_grad()
def infer(checkpoint: Path, settings: VQGAN3DSettings, training: Training, scan: Path, out: Path) -> list[Path]:
    """Write the reconstruction, in HU, under the scan's name.

    Raises:
        UserError: the scan or the checkpoint cannot be read, or the scan is smaller than a patch.
    """
    if not scan.exists():
        raise UserError(f"{scan}: not there; give a NIfTI volume (.nii, .nii.gz)")
    name = scan.name if scan.name.endswith((".nii", ".nii.gz")) else f"{scan.stem}.nii.gz"
    if (out / name).resolve() == scan.resolve():
        raise UserError(f"{scan}: the reconstruction would replace it; name another folder with --out")
    module = trained(VQGAN3DModule(settings, training), checkpoint)
    hu, affine = read_scan(scan)

    def reconstruct(patches: Tensor) -> Tensor:
        output, _ = module(patches)
        return output.clamp(*VALUES)

    target = normalised(torch.from_numpy(hu), settings.patches.window_hu)[None, None]
    output = blended(reconstruct, target, settings.patches, training.micro_batch_size)
    out.mkdir(parents=True, exist_ok=True)
    write_volume(out / name, in_hu(output[0, 0], settings.patches.window_hu).numpy(), affine)
    return [out / name]
