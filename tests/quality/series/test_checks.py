"""Each fault of recordings in a file that really has it, and none in good ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.series.inspector import SeriesFiles
from gonogo.verdict import Status

from .recordings import CHANNELS, GZIP, RATE, SAMPLES, WINDOWS, Judged, clipped, eeg, flat, labels, save, targets


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


def with_nan(data: np.ndarray) -> np.ndarray:
    data[3, 2, 100:110] = np.nan
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


def weakened(data: np.ndarray, channels: int) -> np.ndarray:
    data[:, :channels] *= np.float32(0.003)
    return data


def held(path: Path, value: float | None) -> None:
    """All channels, amid a recording, at zero or at what each had last."""
    data = eeg(9, (CHANNELS, 9000))
    data[:, 3000:6000] = data[:, 2999:3000] if value is None else value
    save(path, data, options={"fletcher32": True})


def in_unit(path: Path, unit: str, factor: float, seed: int = 9) -> None:
    save(path, eeg(seed) * np.float32(factor), labels())
    with h5py.File(path, "a") as file:
        file["data"].attrs["unit"] = unit


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
    ("weak", "1 of 12 channels under 2 % of what they have in the set", written(lambda data: weakened(data, 1))),
    ("weak", "2 of 12 channels under 2 % of what they have in the set", written(lambda data: weakened(data, 2))),
    ("held", "all channels are 0 for 33 % of the length, from 33 % on", lambda path: held(path, 0)),
    ("held", "all channels stay at one value for 33 % of the length", lambda path: held(path, None)),
    ("unit", "and the file says uV: V would fit", lambda path: in_unit(path, "uV", 1e-6)),
    ("swapped", "axes swapped: the set's others are (channels, samples)", written(lambda data: data.swapaxes(1, 2))),
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
    (check,) = [one for one in judged.judgement.checks if one.id == "checksum"]
    assert (check.value, check.unit) == (100, "% of recordings have no checksum")
    assert "8 of 8 recordings have no checksum" in check.why and "would not be noticed" in check.why


def test_windows_that_are_in_two_splits_are_leakage(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / f"data/{'train' if number < 2 else 'test'}/r_{number}.h5", eeg(number), labels())
    assert Judged(tmp_path / "data").check("window_leakage").value == 0
    copied = np.concatenate([eeg(0)[:10], eeg(7)[10:]]).astype(np.float64)
    save(tmp_path / "data/test/r_2.h5", copied, labels())
    judged = Judged(tmp_path / "data")
    assert (judged.check("window_leakage").value, judged.judgement.cause) == (10, "LEAKAGE")
    assert [Path(path).name for path in judged.check("window_leakage").evidence] == ["r_2.h5", "r_0.h5"]


def test_time_is_the_longer_axis_whatever_its_place(tmp_path: Path) -> None:
    """The whole set as (windows, samples, channels), and one recording as (samples, channels)."""
    for number in range(5):
        save(tmp_path / f"data/r_{number}.h5", eeg(number).swapaxes(1, 2), labels(), options={"compression": "gzip"})
    judged = Judged(tmp_path / "data")
    assert judged.judgement.status is Status.GO, judged.judgement.checks
    item = judged.findings["r_0.h5"].item
    assert (item.channels, item.samples, item.transposed) == (CHANNELS, SAMPLES, True)


def test_a_whole_set_in_another_unit_than_it_says_is_a_no_go(tmp_path: Path) -> None:
    for number in range(5):
        in_unit(tmp_path / f"data/r_{number}.h5", "uV", 1e-6, number)
        in_unit(tmp_path / f"good/r_{number}.h5", "uV", 1, number)
    assert Judged(tmp_path / "good").judgement.status is Status.GO
    judged = Judged(tmp_path / "data")
    assert judged.check("amplitude").status is Status.NO_GO
    for number in range(5):
        save(tmp_path / f"bare/r_{number}.h5", eeg(number) * np.float32(1e-6), labels())
    assert Judged(tmp_path / "bare").judgement.status is Status.GO  # V or µV: nobody says
    assert Judged(tmp_path / "bare", unit="uV").check("amplitude").status is Status.NO_GO


def test_silence_in_sound_is_a_warning(tmp_path: Path) -> None:
    for number in range(5):
        data = eeg(number, (2, 9000))
        data[:, slice(3000, 6000) if number % 2 else slice(6000, None)] = 0  # a pause, or padded to one length
        save(tmp_path / f"data/r_{number}.h5", data, rate=16000.0, options={"fletcher32": True})
    judged = Judged(tmp_path / "data")
    assert judged.judgement.status is Status.CAUTION
    assert judged.judgement.bad == 0
