"""Recordings in HDF5: `data` (windows, channels, samples) in µV and `targets` (windows,), complete or refused.

Attributes of a file: `subject`, `run`, `sfreq` in Hz, `unit`. Every chunk carries a checksum.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from gonogo import UserError

SUFFIX = ".h5"
OPEN_FILES = 64  # by each process


def write(
    path: Path, data: np.ndarray, targets: np.ndarray, attributes: dict[str, str | int | float], stop_after: int | None
) -> None:
    """Write window by window, as a recorder does; stop after `stop_after` windows."""
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
        file.create_dataset("targets", data=targets, chunks=targets.shape, fletcher32=True)
        windows = file.create_dataset("data", data.shape, data.dtype, chunks=(1, *data.shape[1:]), fletcher32=True)
        for index, window in enumerate(data[:stop_after]):
            windows[index] = window


def verify(path: Path, channels: int, samples: int) -> int:
    """The number of windows of a file that is complete, of the right shape and finite; reads all of it.

    Raises:
        UserError: it is not; says why.
    """
    if problem := problem_of(path, channels, samples):
        raise UserError(f"{path}: {problem}. Generate this recording again.")
    with h5py.File(path, "r") as file:
        return len(file["targets"])


def problem_of(path: Path, channels: int, samples: int) -> str:
    """Why a file is unfit to train on, in a few words; empty if it is fit."""
    if not path.is_file():
        return "does not exist"
    try:
        with h5py.File(path, "r") as file:
            for name, dimensions in (("data", 3), ("targets", 1)):
                if not isinstance(file.get(name), h5py.Dataset) or file[name].ndim != dimensions:
                    return f"has no dataset `{name}` of {dimensions} dimensions"
            return _problem(file["data"], file["targets"], (channels, samples))
    except (OSError, RuntimeError) as error:
        return f"cannot be read: {str(error).splitlines()[0]}"


def _problem(data: h5py.Dataset, targets: h5py.Dataset, window: tuple[int, int]) -> str:
    if len(data) != len(targets):
        return f"holds {len(data)} windows and {len(targets)} targets"
    if not len(data):
        return "holds no window"
    if data.shape[1:] != window:
        return f"holds windows of {data.shape[1]} × {data.shape[2]}, where settings.data says {window[0]} × {window[1]}"
    if data.chunks is not None and (stored := data.id.get_num_chunks()) < len(data) // data.chunks[0]:
        return f"{stored} of {len(data) // data.chunks[0]} parts of `data` were written: an interrupted write"
    bad = [index for index in range(len(data)) if not np.isfinite(data[index]).all()]
    if bad:
        return f"{len(bad)} of {len(data)} windows hold NaN or infinity, the first is {bad[0]}"
    return "" if np.isfinite(targets[:]).all() else "targets hold NaN or infinity"


class Files:
    """Files kept open for reading, each process its own: a handle does not survive a fork.

    Pickling and forking drop the handles.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[Path, h5py.File] = OrderedDict()
        self._process = os.getpid()

    def __getstate__(self) -> dict[str, object]:
        return {}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__()  # type: ignore[misc]

    def get(self, path: Path) -> h5py.File:
        if self._process != os.getpid():
            self.__init__()  # type: ignore[misc]
        if path not in self._open:
            if len(self._open) >= OPEN_FILES:
                self._open.popitem(last=False)[1].close()
            self._open[path] = h5py.File(path, "r", locking="best-effort")
        self._open.move_to_end(path)
        return self._open[path]


def find(data: Sequence[Path]) -> list[Path]:
    """The recordings below the folders of `data`, sorted by name.

    Raises:
        UserError: there are fewer than two.
    """
    found = sorted((path for root in data for path in root.rglob(f"*{SUFFIX}")), key=lambda path: path.name)
    if len(found) < 2:
        where = ", ".join(map(str, data))
        raise UserError(f"{where}: {len(found)} recordings ({SUFFIX}); at least two are needed")
    return found
