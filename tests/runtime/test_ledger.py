from __future__ import annotations

import dataclasses
import os
import socket
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gonogo.cli.main import main
from gonogo.runtime import ledger
from gonogo.runtime.ledger import Row, union_s
from tests.waiting import LIMIT_S, line_with


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


STAGE = Row("s1", "eeg", "fast", "cloud_train", 100.0, 0.0, note="second try, batch 32")
HOLD = """
import sys, time
from pathlib import Path
from gonogo.runtime import ledger
from gonogo.runtime.ledger import Row
ledger.begin(Path(sys.argv[1]), Row("s1", "eeg", "fast", "cloud_train", 100.0, 0.0))
print("begun", flush=True)
time.sleep(600)
"""


def test_a_crashed_run_is_closed_and_never_left_running(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE)
    line_with(child, b"begun")
    assert [row.outcome for row in ledger.rows(path, running=True)] == ["running"]
    assert ledger.rows(path) == []
    child.kill()
    child.communicate(timeout=LIMIT_S)
    assert [row.outcome for row in ledger.rows(path, running=True)] == ["crashed"]
    assert [row.outcome for row in ledger.rows(path)] == ["crashed"]


def test_a_stage_that_ends_has_one_row(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    number = ledger.begin(path, STAGE)
    ended = dataclasses.replace(STAGE, wall_s=5.0, usd=0.5, outcome="failed")
    ledger.end(path, number, ended)
    assert ledger.rows(path, running=True) == [ended]


def test_a_process_id_that_another_process_has_now_is_no_sign_of_life(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger.begin(path, STAGE)
    with sqlite3.connect(path) as file:
        file.execute("UPDATE stages SET process = ?", [f"{socket.gethostname()} {os.getpid()} 1.00"])
    assert [row.outcome for row in ledger.rows(path)] == ["crashed"]


def test_a_note_is_kept_and_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger.add(path, STAGE)
    ledger.add(path, dataclasses.replace(STAGE, note="", session="s2"))
    assert [row.note for row in ledger.rows(path, note="BATCH 32")] == ["second try, batch 32"]
    assert ledger.rows(path, note="batch 64") == []
    assert main(["runs", "--results", str(tmp_path), "--note", "second"]) == 0
    said = capsys.readouterr().out
    assert "s1/eeg" in said and "second try, batch 32" in said and "s2/eeg" not in said


def test_a_ledger_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as file:
        file.execute(
            "CREATE TABLE stages (id INTEGER PRIMARY KEY, session TEXT, experiment TEXT, mode TEXT, stage TEXT, "
            "started_at REAL, wall_s REAL, work_started_at REAL, work_ended_at REAL, usd REAL, outcome TEXT)"
        )
        file.execute("INSERT INTO stages VALUES (1, 's', 'cvs', '', 'sample', 1, 2, NULL, NULL, 0, 'done')")
    assert ledger.rows(path) == [Row("s", "cvs", "", "sample", 1.0, 2.0)]
