"""Predictions for the windows of one new recording, from a trained checkpoint."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from experiments.eeg.cache import verify, write
from experiments.eeg.data import Windows
from experiments.eeg.module import EEGModule
from experiments.eeg.predict import predict_windows
from experiments.eeg.recorded import CACHES, RECORDERS, all_windows
from experiments.eeg.settings import EEGSettings
from gonogo import Training, UserError, replacing, trained


def infer(checkpoint: Path, settings: EEGSettings, training: Training, recording: Path, out: Path) -> list[Path]:
    """Write `NAME.csv`: a row for each window with its prediction; the recording's own targets are not read.

    Args:
        recording: a cache as training reads it (HDF5: `data`, windows × channels × samples), or an EDF, BDF or FIF
            file, which is cut into windows one after the other.

    Raises:
        UserError: the recording or the checkpoint cannot be read, or they are of other windows.
    """
    if not recording.is_file():
        raise UserError(f"{recording}: not there; give a recording: {', '.join((*CACHES, *RECORDERS))}")
    module = trained(EEGModule(settings, training), checkpoint)
    with TemporaryDirectory() as temporary_folder:
        cache = recording
        if recording.name.lower().endswith(RECORDERS):
            cache = Path(temporary_folder, "windows.h5")
            windows = all_windows(recording, settings.data)
            write(cache, windows, np.zeros(len(windows), np.float32), {}, None)
        count = verify(cache, settings.data.channels, settings.data.window_samples)
        found = predict_windows(module, Windows([cache], [count]))
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{recording.stem}.csv"
    with replacing(file) as temporary:
        rows = np.column_stack([np.arange(count), found])
        np.savetxt(temporary, rows, fmt=("%d", "%.6g"), delimiter=",", header="window,predicted", comments="")
    return [file]
