"""Folders of recordings: groups, copies, other formats, the cache, the table and the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gonogo.base.errors import UserError
from gonogo.quality.inspector import StatisticsCache
from gonogo.quality.measure import measure_part
from gonogo.quality.series.inspector import SeriesFiles
from gonogo.verdict import Status

from .recordings import CHANNELS, GZIP, RATE, Judged, eeg, flat, labels, save


def test_an_empty_folder_says_what_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no recording here \(\.h5, .*It is empty"):
        measure_part("series", tmp_path, tmp_path.parent / "out")


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
