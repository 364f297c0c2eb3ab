"""The data of `eeg`: simulated subjects → recordings → one HDF5 file each, `sub-NNNN_run-R.h5`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.eeg.cache import SUFFIX, write
from experiments.eeg.settings import DataSettings
from experiments.eeg.subjects import recording


def generate(
    settings: DataSettings, indices: Sequence[int], out: Path, seed: int, progress: Callable[[int, int], None]
) -> None:
    """Write the recordings with these indices into `out`; an index and a seed always give the same bytes."""
    out.mkdir(parents=True, exist_ok=True)
    for done, index in enumerate(indices, start=1):
        data, targets = recording(index, settings, seed)
        name, run = f"sub-{index // settings.recordings_per_subject:04d}", index % settings.recordings_per_subject + 1
        attributes = {"subject": name, "run": run, "sfreq": settings.sample_rate_hz, "unit": "µV"}
        write(out / f"{name}_run-{run}{SUFFIX}", data, targets, attributes, settings.stop_after)
        progress(done, len(indices))
