"""A real EEG of four channels, which matplotlib ships, through the reader, the inspector and the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.eeg.cache import verify, write
from experiments.eeg.data import SCALE_UV
from experiments.eeg.eegnex import EEGNeX
from experiments.eeg.settings import ModelSettings
from gonogo.quality.inspect import inspect

RATE_HZ = (
    100.0  # matplotlib's gallery draws its 800 samples as 10 s and says no unit; the rate of a cache is enough here
)


@pytest.fixture(scope="module")
def real() -> np.ndarray:
    """(4 channels, 800 samples)."""
    matplotlib = pytest.importorskip("matplotlib")
    path = Path(matplotlib.get_data_path()) / "sample_data" / "eeg.dat"
    if not path.is_file():
        pytest.skip("this build of matplotlib ships no sample data")
    return np.fromfile(path).reshape(800, 4).T.copy()


def cached(folder: Path, real: np.ndarray) -> Path:
    windows = real.reshape(4, 4, 200).transpose(1, 0, 2)
    folder.mkdir()
    path = folder / "sub-0000_run-1.h5"
    write(path, windows.astype(np.float32), np.arange(4, dtype=np.float32), {"sfreq": RATE_HZ}, None)
    return path


def test_a_good_recording_passes(tmp_path: Path, real: np.ndarray) -> None:
    assert verify(cached(tmp_path / "data", real), 4, 200) == 4
    found = inspect(tmp_path / "data", "series")
    assert not found.verdict.failed, found.verdict.summary


def test_with_two_channels_flat_it_does_not(tmp_path: Path, real: np.ndarray) -> None:
    spoilt = real.copy()
    spoilt[[1, 2]] = 0
    cached(tmp_path / "data", spoilt)
    found = inspect(tmp_path / "data", "series")
    assert found.verdict.failed[0].id == "channels"
    assert "2 of 4 channels flat: 1, 2" in found.verdict.failed[0].why


def test_the_network_takes_it(tmp_path: Path, real: np.ndarray) -> None:
    windows = torch.from_numpy(real.reshape(4, 4, 200).transpose(1, 0, 2) / SCALE_UV).float()
    assert torch.isfinite(EEGNeX(ModelSettings(), 4, 200)(windows)).all()
