"""Numpy's files, read by several threads."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gonogo.quality.arrays import in_time, numpy_arrays


def test_headers_are_parsed_in_one_thread_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "one.npy", np.eye(3))
    np.savez(tmp_path / "two.npz", a=np.eye(3), b=np.ones(2))
    load, inside, together = np.load, threading.Semaphore(1), []

    def slow(*words: Any, **named: Any) -> Any:
        if not inside.acquire(blocking=False):
            together.append(words)
            return load(*words, **named)
        time.sleep(0.002)
        inside.release()
        return load(*words, **named)

    monkeypatch.setattr(np, "load", slow)

    def read(index: int) -> float:
        with numpy_arrays(tmp_path / ("one.npy", "two.npz")[index % 2]) as arrays:
            return sum(float(array.sum()) for array in arrays.values())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(40))) == [3.0, 5.0] * 20
    assert not together


def test_an_archive_that_unpacks_to_far_more_than_data_would_is_not_opened(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("gonogo.quality.arrays.MOST_UNPACKED", 1_000_000)
    np.savez_compressed(tmp_path / "a.npz", data=np.zeros(4_000_000, np.uint8))
    with pytest.raises(ValueError, match="MB unpack to 0"), numpy_arrays(tmp_path / "a.npz"):
        pass


def test_a_file_that_takes_far_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.bin").write_bytes(b"small")
    monkeypatch.setattr("gonogo.quality.arrays.LEAST_S", 0.05)
    assert list(in_time(tmp_path / "a.bin", range(9))) == list(range(9))
    with pytest.raises(ValueError, match="not read further: over 0 s of computing"):
        for _ in in_time(tmp_path / "a.bin", itertools.count()):
            pass
