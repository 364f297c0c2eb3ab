"""Recordings of people as items: HDF5 caches of windows that name their subjects, and EDF, BDF and FIF files."""

from __future__ import annotations

import csv
import math
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.eeg.settings import DataSettings
from gonogo import UserError, listed_examples, open_recording, subject_of, unusable

CACHES, RECORDERS = (".h5", ".hdf5"), (".edf", ".bdf", ".fif", ".fif.gz")
SUBJECTS = ("subjects", "subject_ids", "subject", "subject_id")  # data sets with one name for each window
MICROVOLTS = {"v": 1e6, "mv": 1e3, "uv": 1.0, "µv": 1.0, "μv": 1.0}
PEOPLE = "participants.tsv"  # of BIDS
NO_TARGET = ("", "n/a", "nan")


@dataclass(frozen=True)
class Source:
    """What becomes one item: all windows of one subject in one file.

    Attributes:
        rows: windows of a cache; empty for a recording that is not cut into windows yet.
        target: of a recording, from participants.tsv; NaN where a cache holds one for each window.
    """

    path: Path
    subject: str
    rows: tuple[int, ...]
    target: float


@dataclass(frozen=True)
class Recorded:
    """Everything usable below a folder, by subject and file.

    Attributes:
        notes: what was left out, each with its count and examples.
    """

    sources: list[Source]
    notes: list[str]


def find(folder: Path, settings: DataSettings) -> Recorded:
    """The sources below a folder; only headers, names and targets are read.

    Raises:
        UserError: files are missing, or cannot be used as `settings` say; names how many, why, and examples.
    """
    keys = settings.recorded
    files = sorted(path for path in folder.rglob("*") if path.name.lower().endswith((*CACHES, *RECORDERS)))
    files = [path for path in files if not path.name.startswith(".")]
    if absent := [name for name in keys.files if not (folder / name).is_file()]:
        raise UserError(
            f"inputs: {folder}: {len(absent)} of {len(keys.files)} files that settings.data.recorded.files names are "
            f"not there: {', '.join(absent[:3])}. Make them, or remove them from the list"
        )
    if keys.files:
        files = [path for path in files if path.relative_to(folder).as_posix() in keys.files]
    if not files:
        raise UserError(f"inputs: {folder}: no recordings ({', '.join((*CACHES, *RECORDERS))})")
    found, problems, untold = _surveyed(files, folder, settings)
    if problems:
        raise unusable(folder, problems, len(files), "recordings")
    notes = [f"left out, because they have no target: {listed_examples(untold)}"] if untold else []
    if len({source.subject for source in found}) < 2:
        raise UserError(f"inputs: {folder}: one subject with a target; at least two are needed, one to hold out")
    return Recorded(sorted(found, key=lambda source: (source.subject, source.path)), notes)


def _surveyed(
    files: Sequence[Path], folder: Path, settings: DataSettings
) -> tuple[list[Source], dict[str, list[str]], list[str]]:
    """Sources, problems with the files that have them, and what has no target."""
    people = _people(folder, settings.recorded.target)
    found, problems, untold = [], defaultdict[str, list[str]](list), []
    for path in files:
        name = path.relative_to(folder).as_posix()
        try:
            if path.name.lower().endswith(CACHES):
                own, without = _of_cache(path, settings)
                found += own
                untold += [f"window {row} of {name}" for row in without]
                continue
            source = _of_recorder(path, settings, people)
            if math.isnan(source.target):
                untold.append(name)
            else:
                found.append(source)
        except UserError:
            raise
        except Exception as error:  # readers may raise any exception on damaged bytes
            problems[(str(error).splitlines() or [type(error).__name__])[0]].append(name)
    return found, problems, untold


def _of_cache(path: Path, settings: DataSettings) -> tuple[list[Source], list[int]]:
    with open_recording(path, targets_key=settings.recorded.target) as recording:
        data = recording.arrays[recording.data]
        if not recording.targets:
            raise ValueError("no data set of targets; name it in settings.data.recorded.target")
        targets = np.asarray(recording.arrays[recording.targets][:], np.float64)
        _check_windows(data, targets, settings)
        _check_rate(recording.rate_hz, settings, may_resample=False)
        if recording.unwritten:
            raise ValueError(f"`{recording.data}`: {recording.unwritten}: an interrupted write")
        subjects = _subjects(recording, path, len(data))
    told = np.isfinite(targets)
    found = [
        Source(path, name, tuple(np.flatnonzero((subjects == name) & told).tolist()), math.nan)
        for name in sorted(set(subjects[told].tolist()))
    ]
    return found, np.flatnonzero(~told).tolist()


def _check_windows(data: Any, targets: np.ndarray, settings: DataSettings) -> None:
    channels, samples = settings.channels, settings.window_samples
    if data.ndim != 3:
        raise ValueError(f"`{data.name}` has {data.ndim} dimensions; windows × channels × samples are needed")
    if data.shape[2] == channels != data.shape[1]:
        raise ValueError(f"windows of {data.shape[1]} × {data.shape[2]}: channels and samples are swapped")
    if data.shape[1] != channels or data.shape[2] < samples:
        said = f"windows of {data.shape[1]} × {data.shape[2]}"
        raise ValueError(f"{said}, where settings.data says {channels} channels × {samples} samples")
    if targets.shape != (len(data),):
        raise ValueError(f"{len(data)} windows and targets of shape {targets.shape}; one for each window is needed")


def _check_rate(rate_hz: float | None, settings: DataSettings, *, may_resample: bool) -> None:
    if rate_hz is None or abs(rate_hz - settings.sample_rate_hz) < 1e-6 * rate_hz:
        return
    if may_resample and settings.recorded.resample:
        return
    way = "; set settings.data.recorded.resample: true" if may_resample else ""
    raise ValueError(f"{rate_hz:g} Hz, where settings.data.sample_rate_hz says {settings.sample_rate_hz:g}{way}")


def _subjects(recording: Any, path: Path, windows: int) -> np.ndarray:
    """(windows,) names."""
    for name in SUBJECTS:
        if name in recording.arrays:
            raw = np.asarray(recording.arrays[name][:]).reshape(-1).tolist()
            if len(raw) != windows:
                raise ValueError(f"{windows} windows and {len(raw)} subjects")
            return np.array([one.decode() if isinstance(one, bytes) else str(one) for one in raw])
    one = recording.subject or subject_of(path.name)
    if not one:
        raise ValueError(
            "no subjects: neither a data set `subjects`, nor an attribute `subject`, nor sub-… in its name"
        )
    return np.full(windows, one)


def _of_recorder(path: Path, settings: DataSettings, people: dict[str, float]) -> Source:
    with open_recording(path) as recording:
        _check_recorder(recording, settings)
        subject = subject_of(path.name) or recording.subject
    if not subject:
        raise ValueError("no subject: neither in the file nor sub-… in its name")
    return Source(path, subject, (), people.get(_plain(subject), math.nan))


def _check_recorder(recording: Any, settings: DataSettings) -> None:
    channels, samples = recording.arrays[recording.data].shape
    rate_hz, left_out = recording.rate_hz, recording.attributes.get("left_out", [])
    _check_rate(rate_hz, settings, may_resample=True)
    if channels != settings.channels:
        more = f", and {', '.join(left_out[:3])} of another kind or rate" if left_out else ""
        raise ValueError(f"{channels} channels{more}, where settings.data.channels says {settings.channels}")
    if samples * settings.sample_rate_hz / (rate_hz or settings.sample_rate_hz) < settings.window_samples:
        raise ValueError(f"{samples} samples, less than a window")


def _people(folder: Path, target: str) -> dict[str, float]:
    """Subject → target, as participants.tsv says; NaN where it says none.

    Raises:
        UserError: the column is not there, or holds words.
    """
    path = next(iter(sorted(folder.rglob(PEOPLE))), None)
    if path is None:
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a table with tabs, in UTF-8 ({error})") from None
    columns = [name for name in (rows[0] if rows else {}) if name]
    if not target or target not in columns:
        raise UserError(f"{path}: settings.data.recorded.target: name the column to predict, of: {', '.join(columns)}")
    found = {}
    for row in rows:
        said = (row[target] or "").strip()
        try:
            value = math.nan if said.lower() in NO_TARGET else float(said)
        except ValueError:
            value = math.inf
        if math.isinf(value):
            raise UserError(f"{path}: {target} of {row[columns[0]]} is {said!r}, not a number")
        found[_plain(row[columns[0]] or "")] = value
    return found


def _plain(subject: str) -> str:
    return subject.lower().removeprefix("sub-")


def file_name(sources: Sequence[Source], index: int) -> tuple[str, int]:
    """Subject and run of an item, as `subject_of` of the data reads them: no underscore in a subject."""
    name = _file_subject(sources[index])
    return name, sum(_file_subject(other) == name for other in sources[: index + 1])


def _file_subject(source: Source) -> str:
    """Two subjects whose names differ by other signs alone share it, and are never on both sides of a split."""
    return "sub-" + re.sub(r"[^a-zA-Z0-9]+", "-", source.subject.removeprefix("sub-"))


def windows_of(source: Source, settings: DataSettings) -> tuple[np.ndarray, np.ndarray]:
    """Up to `windows` windows (n, channels, samples) in µV, float32, evenly over the recording, and their targets."""
    with open_recording(source.path, targets_key=settings.recorded.target if source.rows else "") as recording:
        array = recording.arrays[recording.data]
        unit = (recording.unit or settings.recorded.unit).lower()
        if unit not in MICROVOLTS:
            raise UserError(f"{source.path}: unit {recording.unit!r}, which is not a voltage")
        if source.rows:
            targets = recording.arrays[recording.targets]
            data, told = _cached(array, np.asarray(targets[:]), source.rows, settings)
        else:
            data = _continuous(array, recording.rate_hz or settings.sample_rate_hz, settings)
            told = np.full(len(data), source.target)
    return (data * MICROVOLTS[unit]).astype(np.float32), told.astype(np.float32)


def all_windows(path: Path, settings: DataSettings) -> np.ndarray:
    """Every window (n, channels, samples) of an EDF, BDF or FIF file in µV, float32; neither subject nor target needed.

    Raises:
        UserError: it cannot be read, or not as `settings` say.
    """
    try:
        with open_recording(path) as recording:
            _check_recorder(recording, settings)
    except UserError:
        raise
    except Exception as error:  # readers may raise any exception on damaged bytes
        raise UserError(f"{path}: {(str(error).splitlines() or [type(error).__name__])[0]}") from None
    every = settings.model_copy(update={"windows": sys.maxsize})
    return windows_of(Source(path, "", (), math.nan), every)[0]


def _cached(
    array: Any, targets: np.ndarray, rows: Sequence[int], settings: DataSettings
) -> tuple[np.ndarray, np.ndarray]:
    """A longer window of a cache is cut into as many as it holds."""
    pieces = array.shape[2] // settings.window_samples
    places = [(row, piece * settings.window_samples) for row in rows for piece in range(pieces)]
    kept = [places[at] for at in _evenly(len(places), settings.windows)]
    data = np.stack([array[row, :, start : start + settings.window_samples] for row, start in kept])
    return data.astype(np.float64), targets[[row for row, _ in kept]]


def _continuous(array: Any, rate_hz: float, settings: DataSettings) -> np.ndarray:
    length = settings.window_samples
    if rate_hz != settings.sample_rate_hz:
        array = _resampled(array[:, 0 : array.shape[1]], settings.sample_rate_hz / rate_hz)
    starts = [length * at for at in _evenly(array.shape[1] // length, settings.windows)]
    return np.stack([array[:, start : start + length] for start in starts])


def _resampled(signal: np.ndarray, ratio: float) -> np.ndarray:
    """(channels, samples) at `ratio` times the rate; what the new rate cannot hold is filtered out."""
    before, after = signal.shape[1], round(signal.shape[1] * ratio)
    return np.fft.irfft(np.fft.rfft(signal)[:, : after // 2 + 1], after) * (after / before)


def _evenly(count: int, most: int) -> list[int]:
    return sorted(set(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()))
