"""Recordings in the formats of recorders, through libraries of their own: EDF and BDF (pyedflib), FIF (mne)."""

from __future__ import annotations

import contextlib
import importlib.util
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gonogo.base.errors import UserError
from gonogo.base.extras import install_line

EDF, FIF = (".edf", ".bdf"), (".fif", ".fif.gz")
RECORDED = (*EDF, *FIF)
PACKAGES = {EDF: ("pyedflib", "edf"), FIF: ("mne", "fif")}
# channels that are no signal
MARKS = re.compile(r"status|stim|trig|marker|event|annotation|^sti ?\d|counter|light", re.IGNORECASE)


def check_packages(names: Iterable[str]) -> None:
    """Raise UserError where a file of these names needs a package that is not installed."""
    names = [name.lower() for name in names]
    for suffixes, (package, extra) in PACKAGES.items():
        if any(name.endswith(suffixes) for name in names) and importlib.util.find_spec(package) is None:
            raise UserError(
                f"{suffixes[0]} files need the package {package!r}, which is not installed: {install_line(extra)}"
            )


@contextlib.contextmanager
def open_recorder_file(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """An array (channels, samples) that is read when it is sliced, and what the file says, within the block.

    Channels of another rate, kind or unit than most are left out; `left_out` names them.

    Raises:
        UserError: its package is not installed.
        Exception: of any type, as the library raises it.
    """
    check_packages([path.name])
    with _edf(path) if path.name.lower().endswith(EDF) else _fif(path) as opened:
        yield opened


@contextlib.contextmanager
def _edf(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    import pyedflib

    with pyedflib.EdfReader(str(path), annotations_mode=pyedflib.DO_NOT_READ_ANNOTATIONS) as file:
        labels = file.getSignalLabels()
        sorts = [
            (float(file.getSampleFrequency(at)), file.getPhysicalDimension(at).strip(), int(file.getNSamples()[at]))
            for at in range(file.signals_in_file)
        ]
        signals = [at for at in range(len(labels)) if not MARKS.search(labels[at])]
        if not signals:
            raise ValueError("no signals, only annotations or marks")
        usual = Counter(sorts[at] for at in signals).most_common(1)[0][0]
        kept = [at for at in signals if sorts[at] == usual]
        rate, unit, samples = usual
        facts = {
            "sfreq": rate,
            "unit": unit,
            "subject": file.getPatientCode().strip(),
            "left_out": [label for at, label in enumerate(labels) if at not in kept],
        }
        yield _Lazy((len(kept), samples), lambda at, start, n: file.readSignal(kept[at], start, n)), facts


@contextlib.contextmanager
def _fif(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    import mne

    raw = mne.io.read_raw_fif(path, preload=False, allow_maxshield="yes", on_split_missing="ignore", verbose="ERROR")
    with contextlib.closing(raw):
        kinds = raw.get_channel_types()
        signals = [
            kind for kind in kinds if kind in ("eeg", "mag", "grad", "seeg", "ecog", "ecg", "emg", "eog", "fnirs")
        ]
        if not signals:
            raise ValueError("no EEG, MEG or other signal among its channels")
        usual = Counter(signals).most_common(1)[0][0]
        kept = [at for at, kind in enumerate(kinds) if kind == usual]
        facts = {
            "sfreq": float(raw.info["sfreq"]),
            "unit": {"mag": "T", "grad": "T/m", "fnirs": ""}.get(usual, "V"),
            "subject": str((raw.info["subject_info"] or {}).get("his_id", "")),
            "left_out": [name for at, name in enumerate(raw.ch_names) if at not in kept],
        }
        yield _Lazy((len(kept), len(raw.times)), lambda at, start, n: raw[kept[at], start : start + n][0][0]), facts


class _Lazy:
    """(channels, samples), read channel by channel when it is sliced."""

    def __init__(self, shape: tuple[int, int], read: Any) -> None:
        self.shape, self.ndim, self.size, self._read = shape, 2, shape[0] * shape[1], read
        self.dtype, self.chunks = np.dtype(np.float64), None
        if not self.size:
            raise ValueError(f"no samples: {shape[0]} channels of {shape[1]}")

    def __getitem__(self, where: Any) -> np.ndarray:
        channels, samples = where
        single = isinstance(channels, int)
        start, stop, _ = samples.indices(self.shape[1])
        numbers = [channels] if single else range(*channels.indices(self.shape[0]))
        read = np.stack([np.asarray(self._read(at, start, stop - start), np.float64) for at in numbers])
        return read[0] if single else read
