"""Recordings: EEG, audio and other sampled series in HDF5 or numpy files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.arrays import explained_errors, is_numeric
from gonogo.quality.file_kind import FileInspector, Question
from gonogo.quality.items import Fault, Finding, MeasuredItem
from gonogo.quality.series.checks import SeriesFaults
from gonogo.quality.series.items import SeriesItem, SeriesOverview
from gonogo.quality.series.statistics import SeriesStatistics, TargetStatistics
from gonogo.quality.subjects import subject_of
from gonogo.quality.wording import percent

MOST_CHANNELS = 4096  # beyond, axes are swapped or it is no recording: samples are not measured


class SeriesFiles(FileInspector):
    """One file, one recording. The group is the file's attribute `subject`, or the subject that the path names.

    Memory: a block of samples, or a chunk of the file where that is larger.

    Args:
        data_key, targets_key: data sets in the file; empty: the usual names.
    """

    name: ClassVar[str] = "series"
    title: ClassVar[str] = "recordings"
    item: ClassVar[str] = "recording"
    Item: ClassVar[type[MeasuredItem]] = SeriesItem
    suffixes: ClassVar[tuple[str, ...]] = (".h5", ".hdf5", ".npy", ".npz")

    def __init__(self, data_key: str = "", targets_key: str = "") -> None:
        self._keys = data_key, targets_key

    def configured(self, gate: QualityGate) -> SeriesFiles:
        return SeriesFiles(gate.series.data_key, gate.series.targets_key)

    @property
    def reading(self) -> str:
        return "data_key={} targets_key={}".format(*self._keys) if any(self._keys) else ""

    def group(self, name: str) -> str:
        return subject_of(name)

    def statistics(self, path: Path) -> dict[str, Any]:
        from gonogo.quality.series.files import blocks, has_checksum, open_recording, rows, unwritten

        with explained_errors(), open_recording(path, *self._keys) as recording:
            data = recording.arrays[recording.data]
            shape = (1,) * (3 - data.ndim) + tuple(map(int, data.shape))
            found: dict[str, Any] = {
                "dataset": recording.data,
                "dtype": str(data.dtype),
                "windows": shape[0] if data.ndim == 3 else 0,
                "channels": shape[1],
                "samples": shape[2],
                "rate_hz": recording.rate_hz,
                "unwritten": unwritten(data),
                "checksum": has_checksum(data),
            }
            if recording.subject:
                found["group"] = recording.subject
            if not found["unwritten"] and shape[1] <= MOST_CHANNELS:
                seen = SeriesStatistics(shape, recording.rate_hz)
                for window, channel, sample, block in blocks(recording.data, data):
                    seen.add(window, channel, sample, block)
                found |= seen.result()
            for name, array in recording.arrays.items():
                if name == recording.data:
                    continue
                missing, targets = unwritten(array), TargetStatistics()
                for values in rows(name, array) if is_numeric(array.dtype) and not missing else ():
                    targets.add(values)
                if name == recording.targets:
                    found |= {"targets": name, "targets_shape": list(map(int, array.shape))}
                    found |= {"targets_unwritten": missing, **(targets.result() if array.size > 1 else {})}
            return found

    def overview(self) -> SeriesOverview:
        return SeriesOverview()

    def faults(self, item: Any, overview: Any, gate: QualityGate) -> list[Fault]:
        return SeriesFaults(item, overview, gate.series).all()

    def questions(self, gate: QualityGate) -> Sequence[Question]:
        return questions(gate)

    def picture(self, item: MeasuredItem) -> Image.Image | None:
        from gonogo.quality.series.pictures import lines

        assert isinstance(item, SeriesItem)
        try:
            with explained_errors():
                return lines(Path(item.path), item)
        except ValueError:
            return None

    def rows(self, finding: Finding) -> Sequence[dict[str, Any]]:
        (row,) = super().rows(finding)
        assert isinstance(finding.item, SeriesItem)
        shown = {key: value for key, value in row.items() if not key.startswith("channel_")}
        return [shown | {"sigma": finding.item.sigma}]


def questions(gate: QualityGate) -> list[Question]:
    own = gate.series
    return [
        Question(
            "complete", "Recordings were written to their end", frozenset({"incomplete", "zero_tail"}),
            f"chunks that were never written, or over {percent(own.max_zero_tail)} zeros at the end",
            "end too early", "Make these files again; look for a full disk or an interrupted run.",
        ),
        Question(
            "checksum", "Changed bytes would be noticed", frozenset({"no_checksum"}),
            "a data set with neither fletcher32 nor gzip is a warning", "have no checksum",
            "Write with `fletcher32=True` or `compression='gzip'`.",
        ),
        Question(
            "finite", "Samples are numbers", frozenset({"nonfinite"}), "any NaN or infinity", "hold NaN or infinities",
            "Cut out or interpolate gaps before the files are written.",
        ),
        Question(
            "channels", "Channels carry a signal", frozenset({"flat", "rail", "copies", "white"}),
            f"over {percent(own.max_bad_channels)} of channels flat, copied from another, or with over "
            f"{percent(own.max_rail_share)} of samples at the rail (fewer are a warning); or white noise, neighbouring "
            f"samples correlated by less than {own.min_autocorrelation:g}", "have bad channels",
            "Interpolate or leave out these channels; look for loose electrodes and too high a gain. Signals that are "
            "white by nature: gates.quality.series.min_autocorrelation: 0.",
        ),
        Question(
            "windows", "Windows differ, and hold a signal", frozenset({"repeated", "empty"}),
            f"over {percent(own.max_spoilt_windows)} of windows repeated or empty", "have repeated or empty windows",
            "Look at how the recording is cut into windows.",
        ),
        Question(
            "layout", "Recordings have the same layout",
            frozenset({"swapped", "channel_count", "window_length", "short"}),
            "channels or window length unlike the set's, or more channels than samples",
            "have another layout than the set", "Write (channels, samples) or (windows, channels, samples) throughout.",
        ),
        Question(
            "rates", "Sampling rates are equal", frozenset({"rate", "no_rate"}),
            "another rate than the set's; none given is a warning", "have another sampling rate",
            "Resample to one rate, and write it as the attribute `sfreq`.",
        ),
        Question(
            "amplitude", "Amplitudes are in one unit, without mains hum", frozenset({"scale", "hum"}),
            f"over {own.max_scale_ratio:g} times the set's amplitude or under it, or over "
            f"{percent(own.max_hum_share)} of power at 50 or 60 Hz, is a warning", "have an odd amplitude",
            "Write all in one unit (volts or microvolts); filter out the mains.",
        ),
        Question(
            "targets", "There is a varied target for each window",
            frozenset({"target_count", "targets_incomplete", "targets_nonfinite", "targets_constant"}),
            "more or fewer targets than windows or samples, all the same, or not finite", "have wrong targets",
            "Write data and targets in one pass.",
        ),
    ]  # fmt: skip
