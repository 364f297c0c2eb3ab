"""Recordings on disk: files that cannot be read, the data set that is meant, blocks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from gonogo.quality.series.files import blocks
from gonogo.verdict import Status
from tests.waiting import LIMIT_S, line_with, lines_of

from .recordings import CHANNELS, GZIP, RATE, SAMPLES, Judged, eeg, flat, save


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
    for line in lines_of(writer):
        if int(line) >= 200:
            break
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait(timeout=LIMIT_S)
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


def test_a_file_that_is_written_elsewhere_is_told(folder: Path) -> None:
    hold = "import sys, h5py; held = h5py.File(sys.argv[1], 'a', locking=True); print('held', flush=True); input()"
    command = [sys.executable, "-c", hold, str(folder / "good_0.h5")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        line_with(writer, "held")
        told = Judged(folder).told("good_0.h5")
        writer.communicate("\n", timeout=LIMIT_S)
    assert told == {"unreadable": "another process has it open for writing; wait until it is closed"}
