"""Recordings: each fault in a file that really has it, and none in good ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gonogo.base.errors import UserError
from gonogo.config.quality_thresholds import QualityGate, SeriesGate
from gonogo.quality.inspector import StatisticsCache
from gonogo.quality.items import Finding
from gonogo.quality.judge import judge
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.series.files import blocks
from gonogo.quality.series.inspector import SeriesFiles
from gonogo.quality.series.statistics import SeriesStatistics
from gonogo.verdict import Check, Status

WINDOWS, CHANNELS, SAMPLES, RATE = 30, 12, 256, 128.0
GZIP: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "chunks": (5, CHANNELS, SAMPLES)}


def eeg(seed: int = 0, shape: tuple[int, ...] = (WINDOWS, CHANNELS, SAMPLES)) -> np.ndarray:
    """Brown noise, about 20 µV."""
    noise = np.random.default_rng(seed).normal(0, 4, shape)
    return (noise + np.roll(noise, 1, -1) + np.roll(noise, 2, -1)).astype(np.float32)


def labels(count: int = WINDOWS) -> np.ndarray:
    return np.arange(count) % 3


def save(
    path: Path,
    data: np.ndarray,
    targets: np.ndarray | None = None,
    rate: float | None = RATE,
    options: dict[str, Any] = GZIP,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=data, **options)
        if targets is not None:
            file["targets"] = targets
        if rate:
            file.attrs["sfreq"] = rate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five good recordings; a test adds what is bad."""
    for number in range(5):
        save(tmp_path / f"data/good_{number}.h5", eeg(number), labels())
    return tmp_path / "data"


class Judged:
    def __init__(self, folder: Path, known: StatisticsCache | None = None, **keys: object) -> None:
        out = folder.parent / "measured"
        gate = QualityGate(series=SeriesGate.model_validate(keys))
        self.part = measure_part(SeriesFiles().configured(gate), folder, out, cache=known)
        self.findings: dict[str, Finding] = {}
        self.judgement = judge(MeasuredSet.read(out), gate, each=self.keep)

    def keep(self, finding: Finding) -> None:
        self.findings[finding.name] = finding

    def check(self, id_: str) -> Check:
        return next(check for check in self.judgement.checks if check.id == id_)

    def told(self, name: str) -> dict[str, str]:
        return {fault.id: fault.reason for fault in self.findings[name].faults}


def test_good_recordings_pass(folder: Path) -> None:
    judged = Judged(folder)
    assert {name: finding.faults for name, finding in judged.findings.items() if finding.faults} == {}
    assert judged.judgement.status is Status.GO, judged.judgement.checks
    assert judged.judgement.cause == ""


def written(change: Callable[[np.ndarray], np.ndarray], **keys: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        data = change(eeg(9))
        save(path, data, labels(len(data)), options={**GZIP, "chunks": None, "compression": "gzip"}, **keys)

    return write


def targets(values: np.ndarray) -> Callable[[Path], None]:
    return lambda path: save(path, eeg(9), values)


def with_nan(data: np.ndarray) -> np.ndarray:
    data[3, 2, 100:110] = np.nan
    return data


def flat(data: np.ndarray, channels: int) -> np.ndarray:
    data[:, :channels] = 7.5
    return data


def clipped(data: np.ndarray, channels: int) -> np.ndarray:
    data[:, :channels] = data[:, :channels].clip(-9, 9)
    return data


def ended(data: np.ndarray) -> np.ndarray:
    data[18:] = 0
    return data


def repeated(data: np.ndarray) -> np.ndarray:
    data[1::2] = data[::2]
    return data


def emptied(data: np.ndarray) -> np.ndarray:
    data[4:7] = 1.5
    return data


def hum(data: np.ndarray) -> np.ndarray:
    return data + np.float32(60) * np.sin(2 * np.pi * 50 / RATE * np.arange(SAMPLES), dtype=np.float32)


def chunk_missing(path: Path) -> None:
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", (WINDOWS, CHANNELS, SAMPLES), "f4", **GZIP)
        data[:20] = eeg(9)[:20]
        file["targets"] = labels()
        file.attrs["sfreq"] = RATE


def never_written(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (WINDOWS, CHANNELS, SAMPLES), "f4")
        file.attrs["sfreq"] = RATE


def targets_never_written(path: Path) -> None:
    save(path, eeg(9))
    with h5py.File(path, "a") as file:
        file.create_dataset("targets", (WINDOWS,), "i8")


def short(path: Path) -> None:
    """Stretches, not windows: a set of their own."""
    for good in path.parent.glob("good_*"):
        good.unlink()
    for number in range(5):
        save(path.parent / f"good_{number}.h5", eeg(number, (CHANNELS, 4000)), options={"fletcher32": True})
    save(path, eeg(9, (CHANNELS, 300)), options={"fletcher32": True})


def copied(data: np.ndarray, count: int) -> np.ndarray:
    """The first channels again, at another gain and offset."""
    spoiled = data.copy()
    spoiled[:, -count:] = 2 * data[:, :count] + 7
    return spoiled


FAULTS: list[tuple[str, str, Callable[[Path], None]]] = [
    ("incomplete", "2 of 6 chunks were never written", chunk_missing),
    ("incomplete", "none of it was written", never_written),
    ("zero_tail", "all channels are 0 from 60 % of the length on", written(ended)),
    ("no_checksum", "neither checksum nor gzip", lambda path: save(path, eeg(9), labels(), options={})),
    ("nonfinite", "0.0109 % of samples NaN", written(with_nan)),
    ("flat", "1 of 12 channels flat: 0", written(lambda data: flat(data, 1))),
    ("flat", "3 of 12 channels flat: 0, 1, 2", written(lambda data: flat(data, 3))),
    ("rail", "1 of 12 channels at the rail, up to 7.37 %", written(lambda data: clipped(data, 1))),
    ("rail", "2 of 12 channels at the rail", written(lambda data: clipped(data, 2))),
    ("copies", "1 of 12 channels are copies", written(lambda data: copied(data, 1))),
    ("copies", "2 of 12 channels are copies", written(lambda data: copied(data, 2))),
    ("white", "white noise", written(lambda data: np.random.default_rng(0).normal(0, 20, data.shape))),
    ("repeated", "15 of 30 windows repeat another", written(repeated)),
    ("empty", "3 of 30 windows hold no signal", written(emptied)),
    ("swapped", "256 channels of 12 samples", written(lambda data: data.swapaxes(1, 2))),
    ("channel_count", "8 channels; the set has 12", written(lambda data: data[:, :8])),
    ("window_length", "windows of 200 samples; the set's have 256", written(lambda data: data[..., :200])),
    ("short", "300 samples; the set's median 4000", short),
    ("rate", "250 Hz; the set has 128 Hz", written(lambda data: data, rate=250.0)),
    ("no_rate", "no sampling rate", written(lambda data: data, rate=None)),
    ("scale", "another unit", written(lambda data: data * np.float32(1e-6))),
    ("hum", "of the power is mains hum", written(hum)),
    ("target_count", "29 targets for 30 windows", targets(labels(29))),
    ("targets_constant", "all targets are the same", targets(np.ones(WINDOWS))),
    ("targets_nonfinite", "1 targets NaN", targets(np.r_[np.nan, np.arange(29)])),
    ("targets_incomplete", "targets: none of it was written", targets_never_written),
]
WARNINGS = {"no_checksum", "short", "no_rate", "scale", "hum"}


@pytest.mark.parametrize(("fault", "reason", "write"), FAULTS, ids=[f"{f}-{r}" for f, r, _ in FAULTS])
def test_a_fault_is_found_and_told(folder: Path, fault: str, reason: str, write: Callable[[Path], None]) -> None:
    write(folder / "odd.h5")
    judged = Judged(folder)
    told = judged.findings["odd.h5"].faults
    assert reason in judged.told("odd.h5").get(fault, ""), told
    (question,) = [question.id for question in SeriesFiles().fault_groups(QualityGate()) if fault in question.faults]
    check = judged.check(question)
    assert check.status is Status.CAUTION
    assert reason in check.why
    (warns,) = [found.warns for found in told if found.id == fault]
    assert warns is (fault in WARNINGS or reason.startswith("1 of 12"))
    assert [name for name, finding in judged.findings.items() if finding.faults] == ["odd.h5"]


def test_every_fault_belongs_to_a_check() -> None:
    questions = SeriesFiles().fault_groups(QualityGate())
    asked = [fault for question in questions for fault in question.faults]
    assert sorted(asked) == sorted({fault for fault, _, _ in FAULTS})


def test_a_whole_set_that_was_never_finished_is_a_no_go(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number in range(8):
        chunk_missing(tmp_path / f"data/r_{number}.h5")
    judged = Judged(tmp_path / "data")
    assert judged.check("complete").status is Status.NO_GO
    assert judged.judgement.status is Status.NO_GO
    assert judged.judgement.cause == "DATA"


def test_a_whole_set_with_warnings_is_caution_and_no_item_is_bad(tmp_path: Path) -> None:
    for number in range(8):
        save(tmp_path / f"data/r_{number}.h5", eeg(number), options={})
    judged = Judged(tmp_path / "data")
    assert judged.judgement.status is Status.CAUTION
    assert (judged.judgement.bad, judged.judgement.cause) == (0, "")


# --- files that cannot be read ---------------------------------------------------------------------------


def cut(path: Path) -> None:
    save(path, eeg(9))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    """One byte in the middle of a compressed chunk."""
    save(path, eeg(9))
    with h5py.File(path) as file:
        info = file["data"].id.get_chunk_info(2)
    _flip(path, info.byte_offset + info.size // 2)


def flipped_elsewhere(path: Path) -> None:
    """In a data set that is not judged."""
    save(path, eeg(9))
    with h5py.File(path, "a") as file:
        file.create_dataset("other", data=np.arange(100.0), chunks=(100,), fletcher32=True)
        at = file["other"].id.get_chunk_info(0).byte_offset
    _flip(path, at + 5)


def _flip(path: Path, at: int) -> None:
    with path.open("r+b") as stream:
        stream.seek(at)
        byte = stream.read(1)[0]
        stream.seek(at)
        stream.write(bytes([byte ^ 0x40]))


def text_only(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["notes"] = "no samples"


def nothing_in_it(path: Path) -> None:
    h5py.File(path, "w").close()


def no_samples(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (0, CHANNELS, SAMPLES), "f4", maxshape=(None, CHANNELS, SAMPLES))


UNREADABLE: list[tuple[str, str, Callable[[Path], object]]] = [
    ("cut.h5", "truncated", cut),
    ("flipped.h5", "data set 'data' cannot be read", flipped),
    ("elsewhere.h5", "data set 'other' cannot be read", flipped_elsewhere),
    ("text.h5", "signature", lambda path: path.write_text("no recording")),
    ("empty.hdf5", "", lambda path: path.write_bytes(b"")),
    ("notes.h5", "no array of numbers with 2 or 3 dimensions, among: notes () object", text_only),
    ("nothing.h5", "among: none", nothing_in_it),
    ("no_samples.h5", "of shape (0, 12, 256)", no_samples),
    ("text.npy", "not a numpy array", lambda path: path.write_text("no array")),
    ("text.npz", "zip", lambda path: path.write_text("no archive")),
]


@pytest.mark.parametrize(("name", "reason", "write"), UNREADABLE, ids=[name for name, _, _ in UNREADABLE])
def test_what_cannot_be_read_is_told_and_the_scan_goes_on(
    folder: Path, name: str, reason: str, write: Callable[[Path], object]
) -> None:
    write(folder / name)
    judged = Judged(folder)
    assert judged.part.items == 6
    told = judged.told(name)
    assert list(told) == ["unreadable"]
    assert reason in told["unreadable"] and 5 < len(told["unreadable"]) < 300
    assert judged.check("unreadable").status is Status.CAUTION
    assert name in judged.check("unreadable").why


WRITER = """
    import sys, time, h5py, numpy as np
    with h5py.File(sys.argv[1], "w") as file:
        file.attrs["sfreq"] = 128.0
        data = file.create_dataset("data", (400, 12, 256), "f4", chunks=(5, 12, 256), fletcher32=True)
        file["targets"] = np.arange(400) % 3
        if sys.argv[2] == "flushed":
            data[:100] = 1 + np.random.default_rng(0).random((100, 12, 256))
            file.flush()
        for at in range(100, 400, 5):
            data[at : at + 5] = np.random.default_rng(at).random((5, 12, 256))
            print(at, flush=True)
            time.sleep(0.01)
"""


@pytest.mark.parametrize("how", ["flushed", "never_flushed"])
def test_a_writer_killed_half_way_leaves_no_good_recording(folder: Path, how: str) -> None:
    path = folder / "killed.h5"
    writer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(path), how], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    for line in writer.stdout:
        if int(line) >= 200:
            break
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    judged = Judged(folder)
    assert judged.findings["killed.h5"].bad
    assert set(judged.told("killed.h5")) & {"unreadable", "incomplete"}
    assert judged.judgement.status is not Status.GO


def test_a_file_that_promises_more_than_any_disk_holds_is_not_read(folder: Path) -> None:
    with h5py.File(folder / "vast.h5", "w") as file:
        data = file.create_dataset("data", (10**6, CHANNELS, 10**6), "f4", chunks=(1, CHANNELS, 1000))
        data[0, :, :1000] = 1
    assert "chunks were never written" in Judged(folder).told("vast.h5")["incomplete"]


def test_nothing_but_damaged_files_is_a_no_go(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number in range(3):
        cut(tmp_path / f"data/{number}.h5")
    judged = Judged(tmp_path / "data")
    assert (judged.judgement.status, judged.judgement.cause) == (Status.NO_GO, "UNREADABLE")


def test_an_empty_folder_says_what_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no recording here \(\.h5, .*It is empty"):
        measure_part("series", tmp_path, tmp_path.parent / "out")


# --- which data set, groups, other formats ---------------------------------------------------------------


def test_the_largest_data_set_is_judged_where_none_has_a_usual_name(folder: Path) -> None:
    with h5py.File(folder / "odd.h5", "w") as file:
        group = file.create_group("session/run1")
        group.attrs["sampling_rate"] = RATE
        group.create_dataset("small", data=eeg(8)[:2], **{**GZIP, "chunks": None})
        group.create_dataset("montage", data=eeg(9), **GZIP)
    judged = Judged(folder)
    item = judged.findings["odd.h5"].item
    assert item.model_dump()["dataset"] == "session/run1/montage"
    assert judged.told("odd.h5") == {}


def test_keys_say_which_data_set_is_meant(folder: Path) -> None:
    for path in folder.iterdir():
        with h5py.File(path, "a") as file:
            file.create_dataset("filtered", data=flat(eeg(3), 12), **GZIP)
            file["onset"] = np.arange(29)
    judged = Judged(folder, data_key="filtered", targets_key="onset")
    assert judged.told("good_0.h5")["flat"].startswith("12 of 12")
    assert judged.told("good_0.h5")["target_count"] == "29 onset for 30 windows"
    missing = Judged(folder, data_key="raw")
    assert "no data set 'raw', among: data (30, 12, 256) float32" in missing.told("good_0.h5")["unreadable"]
    assert missing.judgement.status is Status.NO_GO


class Memory(StatisticsCache):
    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}

    def get(self, content: str) -> dict[str, Any] | None:
        return self.entries.get(content)

    def put(self, content: str, statistics: dict[str, Any]) -> None:
        self.entries[content] = statistics


def test_earlier_figures_count_for_the_same_data_set_only(folder: Path) -> None:
    for path in folder.iterdir():
        with h5py.File(path, "a") as file:
            file.create_dataset("filtered", data=flat(eeg(3), 12), **GZIP)
    known = Memory()
    assert Judged(folder, known).told("good_0.h5") == {}
    assert "flat" in Judged(folder, known, data_key="filtered").told("good_0.h5")
    assert Judged(folder, known).told("good_0.h5") == {}
    assert len(known.entries) == 10


def test_one_subject_in_two_splits_leaks(tmp_path: Path) -> None:
    for number, split in enumerate(["train"] * 4 + ["test"] * 2):
        path = tmp_path / f"data/{split}/r_{number}.h5"
        save(path, eeg(number))
        with h5py.File(path, "a") as file:
            file.attrs["subject"] = f"S{number % 4}"
    judged = Judged(tmp_path / "data")
    assert judged.check("leakage").status is Status.NO_GO
    assert judged.judgement.cause == "LEAKAGE"


def test_a_recording_written_again_otherwise_is_a_copy(folder: Path) -> None:
    save(folder / "again.h5", eeg(0), labels(), options={"fletcher32": True, "chunks": (7, 4, 100)})
    assert Judged(folder).check("repetition").status is Status.CAUTION


def test_numpy_files_are_recordings_too(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number in range(4):
        np.save(tmp_path / f"data/r_{number}.npy", eeg(number, (CHANNELS, 5000)))
    np.savez(tmp_path / "data/z.npz", data=eeg(7, (CHANNELS, 5000)), sfreq=RATE, labels=np.arange(17))
    judged = Judged(tmp_path / "data")
    assert judged.told("r_0.npy") == {"no_rate": "no sampling rate in the file"}
    assert judged.told("z.npz") == {"target_count": "17 labels for 5000 samples"}


# --- the figures themselves, pictures --------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [None, (30, 1, 16), (1, 12, 256), (4, 3, 100)])
def test_figures_are_the_same_in_any_layout_of_the_file(tmp_path: Path, chunks: tuple[int, ...] | None) -> None:
    data = clipped(eeg(3), 2)
    data[2, 5, 7] = np.nan
    save(tmp_path / "r.h5", data, options={"chunks": chunks})
    found = SeriesFiles().statistics(tmp_path / "r.h5")
    assert np.allclose(found["channel_sigma"], np.nanstd(data.astype(float), axis=(0, 2)), rtol=1e-5)
    held = [(data == side) & ((np.roll(data, 1, -1) == side) | (np.roll(data, -1, -1) == side)) for side in (-9, 9)]
    assert np.allclose(found["channel_rail"][:2], np.max([h.mean(axis=(0, 2)) for h in held], axis=0)[:2], atol=2e-3)
    assert max(found["channel_rail"][2:]) < 1e-3
    assert found["nonfinite"] == 1


@pytest.mark.parametrize("shape", [(3, 2_500_000), (70, 40_000), (1, 10), (9000, 2, 300)])
def test_blocks_cover_an_array_once_and_stay_small(shape: tuple[int, ...]) -> None:
    array = np.zeros(shape, np.uint8)
    largest = 0
    for window, channel, sample, block in blocks("data", array):
        assert block.ndim == 3
        largest = max(largest, block.size)
        block[...] += 1
        assert array.reshape((1,) * (3 - array.ndim) + shape)[window, channel, sample] == 1
    assert (array == 1).all()
    assert largest <= 1 << 20


def test_moments_survive_an_offset_that_is_far_larger_than_the_signal() -> None:
    data = 1e8 + np.random.default_rng(0).normal(0, 1, (1, 2, 40_000))
    seen = SeriesStatistics((1, 2, 40_000), None)
    for start in range(0, 40_000, 1000):
        seen.add(0, 0, start, data[..., start : start + 1000])
    assert np.allclose(seen.result()["channel_sigma"], data.std(axis=(0, 2)), rtol=1e-4)


def test_only_samples_at_the_extreme_of_the_whole_recording_are_at_the_rail() -> None:
    """A short plateau at 5, overtaken by one at 9 in a later block."""
    seen = SeriesStatistics((1, 1, 200), None)
    data = np.random.default_rng(0).normal(0, 1, (1, 1, 200))
    data[..., 20:60], data[..., 150:153] = 5, 9
    seen.add(0, 0, 0, data[..., :100])
    seen.add(0, 0, 100, data[..., 100:])
    assert seen.result()["channel_rail"] == [3 / 200]


def test_the_picture_shows_lines(folder: Path) -> None:
    judged = Judged(folder)
    picture = SeriesFiles().picture(judged.findings["good_1.h5"].item)
    assert picture is not None
    dark = np.asarray(picture.convert("L")) < 128
    assert 0.02 < dark.mean() < 0.6
    (folder / "good_1.h5").write_text("gone bad since")
    assert SeriesFiles().picture(judged.findings["good_1.h5"].item) is None


def test_rows_of_the_table_are_plain(folder: Path) -> None:
    (row,) = SeriesFiles().rows(Judged(folder).findings["good_0.h5"])
    assert row["channels"] == CHANNELS and 5 < row["sigma"] < 9
    assert not [key for key in row if key.startswith("channel_")]
