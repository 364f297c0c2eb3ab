"""Recordings: EEG, audio and other sampled series in HDF5, numpy, EDF, BDF or FIF files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.arrays import in_time, is_numeric
from gonogo.quality.fault_counts import FaultGroup
from gonogo.quality.file_kind import FileInspector
from gonogo.quality.inspector import Scan
from gonogo.quality.items import Fault, Finding, MeasuredItem
from gonogo.quality.left_out import METADATA
from gonogo.quality.series.checks import recording_faults, window_leakage
from gonogo.quality.series.items import SeriesItem, SeriesOverview
from gonogo.quality.series.recorders import RECORDED, check_packages
from gonogo.quality.series.statistics import SeriesStatistics, TargetStatistics
from gonogo.quality.subjects import subject_of
from gonogo.quality.wording import percent
from gonogo.verdict import Check

# a piece of a recording: `night3_win07`
PIECE = re.compile(
    r"^(.+?)[-_. ](?:win|window|seg|segment|epoch|epo|part|chunk|clip|crop|trial|slice)s?[-_]?\d+$", re.IGNORECASE
)


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
    suffixes: ClassVar[tuple[str, ...]] = (".h5", ".hdf5", ".npy", ".npz", *RECORDED)
    metadata: ClassVar[tuple[str, ...]] = (*METADATA, ".hyp", ".vhdr", ".vmrk", ".event", ".eve", ".fdt")

    def __init__(self, data_key: str = "", targets_key: str = "") -> None:
        self._keys = data_key, targets_key

    def configured(self, gate: QualityGate) -> SeriesFiles:
        return SeriesFiles(gate.series.data_key, gate.series.targets_key)

    @property
    def reading(self) -> str:
        return "data_key={} targets_key={}".format(*self._keys) if any(self._keys) else ""

    def group(self, name: str) -> str:
        """The subject, or the recording that a file is a piece of."""
        piece = PIECE.match(Path(name).stem)
        return subject_of(name) or (piece[1].lower() if piece else "")

    def scan(self, folder: Path) -> Scan:
        found = super().scan(folder)
        check_packages(item.name for item in found.items)
        return found

    def statistics(self, path: Path) -> dict[str, Any]:
        from gonogo.quality.series.files import (
            MOST_CHANNELS,
            blocks,
            has_checksum,
            open_recording,
            rows,
            time_last,
            unwritten,
        )

        with open_recording(path, *self._keys) as recording:
            stored = recording.arrays[recording.data]
            data, transposed = time_last(stored)
            shape = (1,) * (3 - data.ndim) + tuple(map(int, data.shape))
            fields: dict[str, Any] = {
                "dataset": recording.data,
                "dtype": str(data.dtype),
                "windows": shape[0] if data.ndim == 3 else 0,
                "channels": shape[1],
                "samples": shape[2],
                "rate_hz": recording.rate_hz,
                "unit": recording.unit,
                "transposed": transposed,
                "left_out_channels": recording.attributes.get("left_out", []),
                "unwritten": unwritten(stored),
                "checksum": has_checksum(stored),
            }
            if recording.subject:
                fields["group"] = recording.subject
            if not fields["unwritten"] and shape[1] <= MOST_CHANNELS:
                statistics = SeriesStatistics(shape, recording.rate_hz)
                for window, channel, sample, block in in_time(path, blocks(recording.data, data)):
                    statistics.add(window, channel, sample, block)
                fields |= statistics.result()
            for name, array in recording.arrays.items():
                if name == recording.data:
                    continue
                missing, targets = unwritten(array), TargetStatistics()
                for values in rows(name, array) if is_numeric(array.dtype) and not missing else ():
                    targets.add(values)
                if name == recording.targets:
                    fields |= {"targets": name, "targets_shape": list(map(int, array.shape))}
                    fields |= {"targets_unwritten": missing, **(targets.result() if array.size > 1 else {})}
            return fields

    def overview(self) -> SeriesOverview:
        return SeriesOverview()

    def faults(self, item: Any, overview: Any, gate: QualityGate) -> list[Fault]:
        return list(recording_faults(item, overview, gate.series))

    def set_checks(self, overview: Any, gate: QualityGate, rule: AcceptanceRule) -> list[Check]:
        return [window_leakage(overview)]

    def draw(self, item: SeriesItem) -> Image.Image:
        from gonogo.quality.series.pictures import lines

        return lines(Path(item.path), item)

    def rows(self, finding: Finding) -> Sequence[dict[str, Any]]:
        (row,) = super().rows(finding)
        assert isinstance(finding.item, SeriesItem)
        hidden = ("channel_", "window_hashes")
        shown = {key: value for key, value in row.items() if not key.startswith(hidden)}
        return [shown | {"sigma": finding.item.sigma}]

    def fault_groups(self, gate: QualityGate) -> Sequence[FaultGroup]:
        own = gate.series
        return [
            FaultGroup(
                "complete", "Recordings were written to their end", {"incomplete", "zero_tail", "held"},
                f"chunks that were never written, over {percent(own.max_zero_tail)} zeros at the end, or over "
                f"{percent(own.max_held)} of its length with no channel moving (of one channel, or sound: a warning)",
                "end too early or have gaps", "Make these files again; look for a full disk or an interrupted run.",
            ),
            FaultGroup(
                "checksum", "Recordings have a checksum", {"no_checksum"},
                "a data set with neither fletcher32 nor gzip", "have no checksum",
                "Write with `fletcher32=True` or `compression='gzip'`.", only_warns=True,
            ),
            FaultGroup(
                "finite", "Samples are finite", {"nonfinite"}, "any NaN or infinity", "hold NaN or infinity",
                "Cut out or interpolate gaps before the files are written.",
            ),
            FaultGroup(
                "channels", "Channels carry a signal", {"flat", "weak", "rail", "copies", "white"},
                f"over {percent(own.max_bad_channels)} of channels flat, copied from another, or with over "
                f"{percent(own.max_rail_share)} of samples at the rail (fewer: a warning); or white noise, "
                f"neighbouring samples correlated by less than {own.min_autocorrelation:g}", "have bad channels",
                "Interpolate or leave out these channels; look for loose electrodes and too high a gain. For signals "
                "that are white by nature: gates.quality.series.min_autocorrelation: 0.",
            ),
            FaultGroup(
                "windows", "Windows differ, and hold a signal", {"repeated", "empty"},
                f"over {percent(own.max_spoilt_windows)} of windows repeated or empty",
                "have repeated or empty windows", "Check how the recording is cut into windows.",
            ),
            FaultGroup(
                "layout", "Recordings have the same layout", {"swapped", "channel_count", "window_length", "short"},
                "channels or window length unlike the set's, or more channels than samples",
                "have another layout than the set",
                "Write (channels, samples) or (windows, channels, samples) throughout.",
            ),
            FaultGroup(
                "rates", "Sampling rates are equal", {"rate", "no_rate"},
                "another rate than the set's; a missing rate is a warning", "have another sampling rate",
                "Resample to one rate, and write it as the attribute `sfreq`.",
            ),
            FaultGroup(
                "amplitude", "Amplitudes are in one unit, without mains hum", {"unit", "scale", "hum"},
                f"an amplitude that its unit rules out; one {own.max_scale_ratio:g} times the set's, or that many "
                f"times smaller, or over "
                f"{percent(own.max_hum_share)} of power at 50 or 60 Hz, is a warning", "have an odd amplitude",
                "Write all recordings in one unit (volts or microvolts); filter out the mains.",
            ),
            FaultGroup(
                "targets", "There is a varied target for each window",
                {"target_count", "targets_incomplete", "targets_nonfinite", "targets_constant"},
                "more or fewer targets than windows or samples, all the same, or not finite", "have wrong targets",
                "Write data and targets in one pass.",
            ),
        ]  # fmt: skip
