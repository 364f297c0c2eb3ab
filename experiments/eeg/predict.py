"""Targets predicted from a checkpoint, in the layout of the data, and their errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from experiments.eeg import cache
from experiments.eeg.data import EEGDataModule, Windows, subject_of
from experiments.eeg.module import EEGModule
from experiments.eeg.settings import EEGSettings
from gonogo import Training, replacing, trained

BATCH = 64


def predict(
    checkpoint: Path,
    settings: EEGSettings,
    training: Training,
    data: Sequence[Path],
    out: Path,
    seed: int,
    validation_share: float,
) -> dict[str, float]:
    """Write the held-out recordings to `out` with predicted targets in place of the true ones.

    Args:
        checkpoint: as written by Lightning's Trainer.
        seed, validation_share: as in training; they determine which subjects were held out.

    Returns:
        Over held-out windows: `mae`; `skill`, 1 - mae / mae of predicting the training targets' mean; `nrmse`, root
        mean square error / spread of the targets; `correlation`. `subject_correlation`: of the subjects' means.

    Raises:
        UserError: the checkpoint or the data cannot be read, or belong to another model.
    """
    module = trained(EEGModule(settings, training), checkpoint)
    recordings = EEGDataModule(settings, training, data, seed, validation_share)
    mean = float(np.concatenate([_targets(path) for path in recordings.train_files]).mean())
    predicted, true, subjects = [], [], []
    for path in recordings.val_files:
        found = predict_windows(module, recordings.windows([path]))
        true.append(_targets(path))
        predicted.append(found)
        subjects += [subject_of(path)] * len(found)
        _write(path, found, out / path.name)
    return metrics(np.concatenate(predicted), np.concatenate(true), mean, subjects)


def metrics(predicted: np.ndarray, true: np.ndarray, training_mean: float, subjects: Sequence[str]) -> dict[str, float]:
    """The metrics of `predict`, from targets (windows,)."""
    error, names = predicted - true, np.array(subjects)
    mae = float(np.abs(error).mean())
    groups = [names == name for name in sorted(set(subjects))]
    by_subject = [np.array([values[group].mean() for group in groups]) for values in (predicted, true)]
    return {
        "skill": 1 - mae / max(float(np.abs(training_mean - true).mean()), 1e-9),
        "mae": mae,
        "nrmse": float(np.sqrt(np.square(error).mean()) / max(float(true.std()), 1e-9)),
        "correlation": _correlation(predicted, true),
        "subject_correlation": _correlation(*by_subject),
    }


@torch.no_grad()
def predict_windows(module: EEGModule, windows: Windows) -> np.ndarray:
    """(windows,), the predicted target of each."""
    batch = torch.stack([windows[index]["windows"] for index in range(len(windows))])
    parts = [module.predict_step({"windows": part}, 0)[:, 0] for part in batch.split(BATCH)]
    return torch.cat(parts).numpy()


def _targets(path: Path) -> np.ndarray:
    with h5py.File(path, "r") as file:
        return file["targets"][:]


def _write(source: Path, predicted: np.ndarray, out: Path) -> None:
    with h5py.File(source, "r") as file, replacing(out) as temporary:
        cache.write(temporary, file["data"][:], predicted, dict(file.attrs), None)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's; 0 where one of them does not vary."""
    if len(one) < 2 or not one.std() or not other.std():
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def picture(outputs: Tensor, targets: Tensor, out: Path) -> None:
    """Scatter plot of predicted against true targets; on the line they are equal."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.axline((0, 0), slope=1, color="0.7", linewidth=1)
    axes.scatter(targets.detach().cpu().flatten(), outputs.detach().cpu().flatten(), s=12)
    axes.set(xlabel="true", ylabel="predicted", xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    with replacing(out) as temporary:
        figure.savefig(temporary, dpi=100)
