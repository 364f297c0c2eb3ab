"""Recordings as they lie on disk: which data set is meant, whether all of it was written, and its samples in blocks."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from gonogo.quality.arrays import NUMPY_SUFFIXES, chosen, is_numeric, listed_arrays, numpy_arrays, one_line
from gonogo.quality.series.recorders import RECORDED, open_recorder_file

DATA_NAMES = ("data", "signals", "signal", "eeg", "x", "raw")
TARGET_NAMES = ("targets", "target", "labels", "label", "y")
RATE_NAMES = ("sfreq", "fs", "rate", "sampling_rate", "sample_rate", "sampling_frequency")
UNIT_NAMES = ("unit", "units", "physical_dimension")
SUBJECT_NAMES = ("subject", "subject_id", "participant", "participant_id")
MOST_CHANNELS = 4096  # beyond, axes are swapped or it is no recording: samples are not measured
MOST_CHUNK_BYTES = 1 << 30  # of an HDF5 chunk, which is unpacked as a whole
BLOCK = 1 << 20  # samples that are read together, unless a chunk of the file is larger
LARGEST_WINDOW = 4 * BLOCK  # samples; of larger windows copies are not looked for


@dataclass
class Recording:
    """One file, open for reading.

    Attributes:
        arrays: all data sets by their paths.
        data, targets: paths of those that are meant; targets are empty for none.
        attributes: of the file, over those of the data set's groups, under its own; names in lower case.
    """

    arrays: Mapping[str, Any]
    data: str
    targets: str
    attributes: dict[str, Any]

    @property
    def rate_hz(self) -> float | None:
        for name in RATE_NAMES:
            with contextlib.suppress(TypeError, ValueError):
                rate = float(self.attributes[name]) if name in self.attributes else 0.0
                if math.isfinite(rate) and rate > 0:
                    return rate
        return None

    @property
    def unit(self) -> str:
        unit = next((self.attributes[name] for name in UNIT_NAMES if name in self.attributes), "")
        unit = unit.decode(errors="replace") if isinstance(unit, bytes) else unit
        return unit if isinstance(unit, str) else ""

    @property
    def unwritten(self) -> str:
        """What of the data was never written; empty: nothing."""
        return unwritten(self.arrays[self.data])

    @property
    def subject(self) -> str:
        subject = next((self.attributes[name] for name in SUBJECT_NAMES if name in self.attributes), "")
        return subject.decode(errors="replace") if isinstance(subject, bytes) else str(subject)


@contextlib.contextmanager
def open_recording(path: Path, data_key: str = "", targets_key: str = "") -> Iterator[Recording]:
    """A file, open within the block.

    Raises:
        Exception: of any type, as the library raises it.
    """
    if path.name.lower().endswith(RECORDED):
        with open_recorder_file(path) as (array, facts):
            yield Recording({"": array}, "", "", facts)
        return
    if path.suffix.lower() in NUMPY_SUFFIXES:
        with numpy_arrays(path) as arrays:
            scalars = {name.lower(): array.item() for name, array in arrays.items() if array.size == 1}
            yield _recording(arrays, data_key, targets_key, lambda _: scalars)
        return
    with _opened(path) as file:
        datasets: dict[str, Any] = {}
        file.visititems(lambda name, item: datasets.update({name: item}) if _is_array(item) else None)
        yield _recording(datasets, data_key, targets_key, lambda name: _attributes(file, name))


def _opened(path: Path) -> h5py.File:
    """
    Raises:
        ValueError: another process has the file open for writing.
    """
    try:
        return h5py.File(path, "r", locking="best-effort")
    except BlockingIOError:
        raise ValueError("another process has it open for writing; wait until it is closed") from None


def _is_array(item: Any) -> bool:
    """Neither a group, nor a data set without a place for values."""
    return isinstance(item, h5py.Dataset) and item.shape is not None


def _recording(arrays: Mapping[str, Any], data_key: str, targets_key: str, attributes: Any) -> Recording:
    for key in filter(None, (data_key, targets_key)):
        if key not in arrays:
            raise ValueError(f"no data set {key!r}, among: {listed_arrays(arrays) or 'none'}")
    named = (
        [targets_key] if targets_key else [name for name in arrays if name != data_key and _named(name, TARGET_NAMES)]
    )
    others = {name: array for name, array in arrays.items() if name not in named}
    data = data_key or chosen(others, DATA_NAMES, {2, 3})
    if not is_numeric(arrays[data].dtype) or arrays[data].ndim not in (2, 3) or not arrays[data].size:
        raise ValueError(f"data set {data!r} of shape {arrays[data].shape}, {arrays[data].dtype}: not a recording")
    return Recording(arrays, data, named[0] if named else "", attributes(data))


def _named(path: str, names: Sequence[str]) -> bool:
    return path.rsplit("/", maxsplit=1)[-1].lower() in names


def _attributes(file: h5py.File, name: str) -> dict[str, Any]:
    parts = name.split("/")
    attributes: dict[str, Any] = {}
    for depth in range(len(parts) + 1):
        holder = file["/".join(parts[:depth]) or "/"]
        for key, value in holder.attrs.items():
            scalar = getattr(value, "size", 0) == 1 and hasattr(value, "item")
            attributes[key.lower()] = value.item() if scalar else value
    return attributes


class Transposed:
    """An array (samples, channels) or (windows, samples, channels), read as if its last two axes were exchanged."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape, self.ndim, self.size, self.dtype = _exchanged(array.shape), array.ndim, array.size, array.dtype
        chunks = getattr(array, "chunks", None)
        self.chunks = _exchanged(chunks) if chunks else None

    def __getitem__(self, where: Any) -> np.ndarray:
        return np.asarray(self._array[_exchanged(where)]).swapaxes(-1, -2)


def _exchanged(axes: Sequence[Any]) -> tuple[Any, ...]:
    return (*axes[:-2], axes[-1], axes[-2])


def time_last(array: Any) -> tuple[Any, bool]:
    """The array with time as its last axis, and whether it had to be turned: time is the longer one of two."""
    turned = array.shape[-2] > array.shape[-1] and array.shape[-1] <= MOST_CHANNELS
    return (Transposed(array), True) if turned else (array, False)


def unwritten(array: Any) -> str:
    """What of an HDF5 data set was never written, so that it reads as zeros; empty: nothing, or not HDF5."""
    if not isinstance(array, h5py.Dataset) or array.is_virtual or not array.size:
        return ""
    if array.chunks is None:
        return "" if array.id.get_storage_size() else "none of it was written"
    chunks = math.prod(-(-length // chunk) for length, chunk in zip(array.shape, array.chunks, strict=True))
    stored = array.id.get_num_chunks()
    return f"{chunks - stored} of {chunks} chunks were never written" if stored < chunks else ""


def has_checksum(array: Any) -> bool | None:
    """Whether a changed byte would be noticed on reading; None where the format offers no choice."""
    if not isinstance(array, h5py.Dataset):
        return None
    return bool(array.fletcher32) or array.compression == "gzip"  # zlib's streams end with a checksum


def blocks(name: str, array: Any) -> Iterator[tuple[int, int, int, np.ndarray]]:
    """All of a (channels, samples) or (windows, channels, samples) array, as stored, along its chunks.

    Yields the first window, channel and sample of a block, and the block (windows, channels, samples).

    Raises:
        ValueError: a block cannot be read; names the data set.
    """
    windows, channels, samples = (1,) * (3 - array.ndim) + array.shape
    chunk_bytes = math.prod(getattr(array, "chunks", None) or ()) * array.dtype.itemsize
    if chunk_bytes > MOST_CHUNK_BYTES:
        raise ValueError(f"data set {name!r}: a chunk of {chunk_bytes / 1e9:.1f} GB, not opened above 1.1 GB")
    for where in _blocks(getattr(array, "chunks", None), (windows, channels, samples), array.ndim):
        try:
            block = np.asarray(array[where[-array.ndim :]])
        except Exception as error:
            raise ValueError(f"data set {name!r} cannot be read: {one_line(error)}") from None
        first = [part.start for part in where]
        yield first[0], first[1], first[2], block if array.ndim == 3 else block[None]


def _blocks(chunk: tuple[int, ...] | None, shape: tuple[int, int, int], ndim: int) -> Iterator[tuple[slice, ...]]:
    windows, channels, samples = shape
    unit = ((1,) * (3 - ndim) + chunk) if chunk else (1, 1, samples)
    if ndim == 3 and channels * samples <= LARGEST_WINDOW:
        rows = unit[0] if unit[0] * channels * samples <= LARGEST_WINDOW else 1
        size = (rows * max(1, BLOCK // (rows * channels * samples)), channels, samples)
    else:
        length = min(unit[2], samples) if chunk else min(samples, BLOCK)
        length *= max(1, BLOCK // (length * unit[1]))
        size = (1, unit[1] * max(1, BLOCK // (unit[1] * min(length, samples))), length)
    for window in range(0, windows, size[0]):
        for channel in range(0, channels, size[1]):
            for sample in range(0, samples, size[2]):
                starts = (window, channel, sample)
                yield tuple(slice(at, min(at + n, end)) for at, n, end in zip(starts, size, shape, strict=True))


def rows(name: str, array: Any) -> Iterator[np.ndarray]:
    """Any array of numbers along its first axis, so that all of it is read once.

    Raises:
        ValueError: some of it cannot be read; names the data set.
    """
    count = array.shape[0] if array.ndim else 1
    step = max(1, BLOCK * count // max(int(array.size), 1))
    for start in range(0, count, step):
        try:
            yield np.asarray(array[start : start + step] if array.ndim else array[()])
        except Exception as error:
            raise ValueError(f"data set {name!r} cannot be read: {one_line(error)}") from None
