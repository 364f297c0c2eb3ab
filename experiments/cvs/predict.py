"""Views predicted from a checkpoint, in the layout of the data, and their errors."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from experiments.cvs.data import CVSDataModule, Views, view_folders
from experiments.cvs.module import CVSModule
from experiments.cvs.settings import CVSSettings
from gonogo import Training, replacing, trained

MAX_PSNR_DB = 99.0  # for a prediction without error
SHOWN = 8


def predict(
    checkpoint: Path,
    settings: CVSSettings,
    training: Training,
    data: Sequence[Path],
    out: Path,
    seed: int,
    validation_share: float,
) -> dict[str, float]:
    """Predict every view of the held-out items into `out`, in the layout of the data less the views' depth.

    Args:
        checkpoint: as written by Lightning's Trainer.
        seed, validation_share: as in training; they determine which items were held out.

    Returns:
        On the held-out views, pictures in [0, 1]: `l1`; `psnr_db` over all pixels together; `skill`, 1 - l1 / l1 of
        predicting the training views' mean; `copy_skill`, 1 - l1 / l1 of copying the input; and the PSNR of these
        two baselines, `mean_psnr_db` and `copy_psnr_db`.

    Raises:
        UserError: the checkpoint or the data cannot be read, or belong to another model.
    """
    module = trained(CVSModule(settings, training), checkpoint)
    views = CVSDataModule(settings, training, data, seed, validation_share)
    mean = mean_view(views.train_views)
    errors: dict[str, list[Tensor]] = {"model": [], "mean": [], "copy": []}
    for item in views.val_items:
        batch = views.item_batch(item)
        with torch.no_grad():
            predicted = module.predict_step(batch, 0)
        for name, guess in {"model": predicted, "mean": mean, "copy": batch["input"]}.items():
            errors[name].append(guess - batch["target"])
        write_item(item, predicted, out / item.name)
    l1 = {name: float(torch.cat(parts).abs().mean()) for name, parts in errors.items()}
    psnr_db = {name: _psnr_db(torch.cat(parts)) for name, parts in errors.items()}
    return {
        "psnr_db": psnr_db["model"],
        "l1": l1["model"],
        "skill": _skill(l1["model"], l1["mean"]),
        "copy_skill": _skill(l1["model"], l1["copy"]),
        "copy_psnr_db": psnr_db["copy"],
        "mean_psnr_db": psnr_db["mean"],
    }


def mean_view(views: Views) -> Tensor:
    """(3, S, S), the mean of the targets: the best prediction without the input."""
    total = torch.zeros_like(views[0]["target"], dtype=torch.float64)
    for index in range(len(views)):
        total += views[index]["target"]
    return (total / len(views)).float()


def picture(inputs: Tensor, outputs: Tensor, targets: Tensor, out: Path) -> None:
    """Up to 8 samples (B, 3, S, S) in [0, 1] side by side: the input above the prediction above the target."""
    rows = [np.concatenate(list(_pixels(part[:SHOWN])), axis=1) for part in (inputs, outputs, targets)]
    with replacing(out) as temporary:
        Image.fromarray(np.concatenate(rows)).save(temporary)


def write_item(item: Path, predicted: Tensor, out: Path) -> None:
    """Predicted views in the layout of the data, less their depth."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("input.png", "input_depth.npy", "source.json"):
        if (item / name).exists():
            shutil.copyfile(item / name, out / name)
    for view, pixels in zip(view_folders(item), _pixels(predicted), strict=True):
        folder = out / view.name
        folder.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / "rgb.png")
        shutil.copyfile(view / "pose.json", folder / "pose.json")


def _pixels(pictures: Tensor) -> np.ndarray:
    """(B, 3, S, S) in [0, 1] → (B, S, S, 3) uint8."""
    return (pictures.detach().float().cpu() * 255).round().byte().permute(0, 2, 3, 1).numpy()


def _skill(error: float, baseline: float) -> float:
    return 1 - error / max(baseline, 1e-9)


def _psnr_db(error: Tensor) -> float:
    mse = float(error.square().mean())
    return min(MAX_PSNR_DB, -10 * math.log10(max(mse, 1e-12)))
