"""Predictions for the windows of one new recording, from a trained checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from experiments.eeg.cache import verify
from experiments.eeg.data import Windows
from experiments.eeg.module import EEGModule
from experiments.eeg.predict import predict_windows
from experiments.eeg.settings import EEGSettings
from gonogo import Training, UserError, replacing, trained


def infer(checkpoint: Path, settings: EEGSettings, training: Training, recording: Path, out: Path) -> list[Path]:
    """Write `NAME.csv`: a row for each window with its prediction; the recording's own targets are not read.

    Args:
        recording: a cache as training reads it (HDF5: `data`, windows × channels × samples).

    Raises:
        UserError: the recording or the checkpoint cannot be read, or they are of other windows.
    """
    if not recording.is_file():
        raise UserError(f"{recording}: not there; give a recording as an HDF5 cache (docs/experiments.md)")
    module = trained(EEGModule(settings, training), checkpoint)
    count = verify(recording, settings.data.channels, settings.data.window_samples)
    found = predict_windows(module, Windows([recording], [count]))
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{recording.stem}.csv"
    with replacing(file) as temporary:
        rows = np.column_stack([np.arange(count), found])
        np.savetxt(temporary, rows, fmt=("%d", "%.6g"), delimiter=",", header="window,predicted", comments="")
    return [file]
