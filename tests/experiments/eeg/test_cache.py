"""Caches that are missing, short, cut off or full of NaN are refused with the reason, before anything is trained."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from experiments.eeg.cache import Files, verify, write
from gonogo.base.errors import UserError
from tests.experiments.eeg.recordings import experiment, generate

SHAPE = (6, 4, 64)


def good(path: Path, **changed: object) -> Path:
    given: dict = {"data": np.random.default_rng(0).normal(size=SHAPE), "targets": np.arange(6.0), "stop_after": None}
    given |= changed
    write(path, given["data"], given["targets"], {"subject": "sub-0000", "sfreq": 100.0}, given["stop_after"])
    return path


def _missing(path: Path) -> None:
    path.unlink()


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flipped(path: Path) -> None:
    with h5py.File(path) as file:
        offset = file["data"].id.get_chunk_info(2).byte_offset
    content = bytearray(path.read_bytes())
    content[offset + 100] ^= 0xFF
    path.write_bytes(content)


def _nan(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["data"][3, 1, 5] = np.nan


def _nan_target(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["targets"][3] = np.inf


def _no_targets(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["targets"]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_missing, "does not exist"),
        (_truncated, "cannot be read"),
        (_flipped, "cannot be read"),
        (_nan, "1 of 6 windows hold NaN or infinity, the first is 3"),
        (_nan_target, "targets hold NaN"),
        (_no_targets, "no dataset `targets`"),
        (lambda path: good(path, stop_after=4), "4 of 6 parts of `data` were written: an interrupted write"),
        (lambda path: good(path, targets=np.arange(5.0)), "6 windows and 5 targets"),
        (lambda path: good(path, data=np.ones((6, 4, 32))), "windows of 4 × 32, where settings.data says 4 × 64"),
        (lambda path: path.write_text("no HDF5"), "cannot be read"),
    ],
    ids=["missing", "truncated", "flipped", "nan", "nan target", "no targets", "interrupted", "short", "shape", "text"],
)
def test_a_bad_cache_is_refused_with_the_reason(tmp_path: Path, spoil: Callable[[Path], object], reason: str) -> None:
    path = good(tmp_path / "sub-0000_run-1.h5")
    assert verify(path, 4, 64) == 6
    spoil(path)
    with pytest.raises(UserError) as refused:
        verify(path, 4, 64)
    assert reason in str(refused.value) and str(path) in str(refused.value) and "again" in str(refused.value)


def test_one_bad_file_among_many_stops_training_before_it_begins(tmp_path: Path) -> None:
    own = experiment()
    generate(own, tmp_path)
    _nan(tmp_path / "sub-0002_run-1.h5")
    with pytest.raises(UserError, match=r"sub-0002_run-1\.h5: 1 of 4 windows hold NaN"):
        own.datamodule(own.config.training, [tmp_path], 0)


def test_files_are_opened_late_kept_open_and_not_shared_with_a_fork(tmp_path: Path) -> None:
    files = Files()
    path = good(tmp_path / "a.h5")
    first = files.get(path)
    assert files.get(path) is first
    child = os.fork()
    if not child:
        try:  # whatever happens, no second process goes on with the tests
            signal.alarm(60)
            os._exit(0 if files.get(path).id.id and files.get(path) is not first else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert files.get(path) is first
