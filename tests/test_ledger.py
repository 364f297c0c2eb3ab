from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gonogo import ledger
from gonogo.ledger import Row, union_s


def test_rows_come_back_by_session_and_experiment(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "ledger.sqlite"
    assert ledger.rows(path) == []
    first = Row("s1", "cvs", "", "sample", 100.0, 5.0, 101.0, 104.0)
    second = Row("s2", "eeg", "fast", "cloud_train", 200.0, 60.0, usd=1.25, outcome="failed")
    ledger.add(path, first)
    ledger.add(path, second)
    assert ledger.rows(path) == [first, second]
    assert ledger.rows(path, session="s1") == [first] and ledger.rows(path, experiment="eeg") == [second]
    assert first.work_s == 3.0 and second.work_s == 0.0


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: ledger.add(path, Row(f"s{i}", "cvs", "", "sample", i, 1.0)), range(40)))
    assert len(ledger.rows(path)) == 40


@pytest.mark.parametrize(
    ("intervals", "seconds"),
    [([], 0), ([(0, 2), (1, 3)], 3), ([(5, 6), (0, 1)], 2), ([(0, 10), (2, 3)], 10)],
)
def test_side_by_side_work_counts_once(intervals: list, seconds: float) -> None:
    assert union_s(intervals) == seconds
