"""Whole held-out volumes reconstructed by a checkpoint, patch by patch, and their errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from PIL import Image
from torch import Tensor

from experiments.vqgan3d.codebook import perplexity, usage
from experiments.vqgan3d.data import CTDataModule, mean_volume, resized
from experiments.vqgan3d.generate import write_volume
from experiments.vqgan3d.module import VALUES, VQGAN3DModule, psnr_db, ssim
from experiments.vqgan3d.scans import in_hu, normalised, read_scan
from experiments.vqgan3d.settings import PatchSettings, VQGAN3DSettings
from gonogo import Training, replacing, trained

SHOWN, SHOWN_PIXELS = 6, 96
OVERLAP = 0.25


@torch.no_grad()
def predict(
    checkpoint: Path,
    settings: VQGAN3DSettings,
    training: Training,
    data: Sequence[Path],
    out: Path,
    seed: int,
    validation_share: float,
) -> dict[str, float]:
    """Reconstruct every held-out volume into `out`, in HU, under its own name.

    Args:
        checkpoint: as written by Lightning's Trainer.
        seed, validation_share: as in training; they determine which volumes were held out.

    Returns:
        On the held-out volumes, window scaled to [-1, 1]: `psnr_db` over all voxels together; `ssim` of axial slices,
        its mean over volumes; `codebook_usage` 0-1 and `perplexity` over all tokens; `l1`; `skill`, 1 - l1 / l1 of
        predicting the mean training volume, and that baseline's `mean_psnr_db`.

    Raises:
        UserError: the checkpoint or the data cannot be read, or belong to another model.
    """
    module = trained(VQGAN3DModule(settings, training), checkpoint)
    volumes = CTDataModule(settings.patches, training, data, seed, validation_share)
    mean = mean_volume(volumes.train_patches, settings.patches.window_hu)
    chosen = torch.zeros(settings.model.codebook.codes)
    sums = {"squares": 0.0, "l1": 0.0, "mean_squares": 0.0, "mean_l1": 0.0, "voxels": 0}
    similarities: list[float] = []

    def reconstruct(patches: Tensor) -> Tensor:
        output, quantised = module(patches)
        chosen.add_(torch.bincount(quantised.indices.flatten(), minlength=len(chosen)))
        return output.clamp(*VALUES)

    for path in volumes.val_volumes:
        hu, affine = read_scan(path)
        target = normalised(torch.from_numpy(hu), settings.patches.window_hu)[None, None]
        output = blended(reconstruct, target, settings.patches, training.micro_batch_size)
        write_volume(out / path.name, in_hu(output[0, 0], settings.patches.window_hu).numpy(), affine)
        guess = resized(mean, target.shape[2:])
        for name, found in (("", output), ("mean_", guess)):
            sums[f"{name}squares"] += float((found - target).double().square().sum())
            sums[f"{name}l1"] += float((found - target).double().abs().sum())
        sums["voxels"] += target.numel()
        similarities.append(ssim(output, target))
    l1, mean_l1 = sums["l1"] / sums["voxels"], sums["mean_l1"] / sums["voxels"]
    return {
        "psnr_db": psnr_db(sums["squares"] / sums["voxels"]),
        "ssim": float(np.mean(similarities)),
        "codebook_usage": float(usage(chosen)),
        "perplexity": float(perplexity(chosen)),
        "l1": l1,
        "skill": 1 - l1 / max(mean_l1, 1e-9),
        "mean_psnr_db": psnr_db(sums["mean_squares"] / sums["voxels"]),
    }


def blended(reconstruct: Callable[[Tensor], Tensor], volume: Tensor, patches: PatchSettings, batch_size: int) -> Tensor:
    """A volume (1, 1, X, Y, Z) reconstructed patch by patch; where patches overlap, weighted by a Gaussian."""
    return sliding_window_inference(
        volume, roi_size=patches.size, sw_batch_size=batch_size, predictor=reconstruct, overlap=OVERLAP, mode="gaussian"
    )  # type: ignore[return-value]


def picture(outputs: Tensor, targets: Tensor, out: Path) -> None:
    """Middle slices of up to 6 patches (B, 1, X, Y, Z) in [-1, 1], front up: targets above, reconstructions below.

    Small patches are enlarged by an integer factor.
    """
    rows = [np.concatenate([_slice(patch) for patch in part[:SHOWN]], axis=1) for part in (targets, outputs)]
    shown = Image.fromarray(np.concatenate(rows))
    scale = max(1, SHOWN_PIXELS // targets.shape[2])
    with replacing(out) as temporary:
        shown.resize((scale * shown.width, scale * shown.height), Image.Resampling.NEAREST).save(temporary)


def _slice(patch: Tensor) -> np.ndarray:
    """(1, X, Y, Z) → (Y, X) uint8."""
    middle = patch[0, :, :, patch.shape[-1] // 2].detach().float().cpu()
    return ((middle.T + 1) / 2 * 255).round().clamp(0, 255).byte().numpy()
