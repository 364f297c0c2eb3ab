"""What every stage of every run took, in seconds and dollars: one SQLite file that rows are only added to.

A stage that is under way has a row, too, with its process. Whoever looks next closes the rows of processes that are
gone: nothing is left "running" for ever.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gonogo.base import processes

_TABLE = """
CREATE TABLE IF NOT EXISTS stages (
    id INTEGER PRIMARY KEY,
    session TEXT NOT NULL,      -- one invocation of snakemake
    experiment TEXT NOT NULL,
    mode TEXT NOT NULL,         -- empty for stages that do not depend on it
    stage TEXT NOT NULL,
    started_at REAL NOT NULL,   -- seconds since the epoch
    wall_s REAL NOT NULL,
    work_started_at REAL,       -- first and last moment of generating, training, predicting, tracing or transferring
    work_ended_at REAL,
    usd REAL NOT NULL,
    outcome TEXT NOT NULL       -- running | done | failed | interrupted | crashed
)
"""
# columns that older files lack
_LATER = {
    "note": "TEXT NOT NULL DEFAULT ''",  # what the user said of the run
    "process": "TEXT NOT NULL DEFAULT ''",  # of a stage that is running: host, process id, when it was born
}
RUNNING, CRASHED = "running", "crashed"
HELD = "held"  # a stage's name: the time of a machine that is held, and in which no stage is at work there


@dataclass(frozen=True)
class Row:
    """One execution of one stage. Times in seconds since the epoch."""

    session: str
    experiment: str
    mode: str
    stage: str
    started_at: float
    wall_s: float
    work_started_at: float | None = None
    work_ended_at: float | None = None
    usd: float = 0.0
    outcome: str = "done"
    note: str = ""

    @property
    def work_s(self) -> float:
        if self.work_started_at is None or self.work_ended_at is None:
            return 0.0
        return self.work_ended_at - self.work_started_at


_COLUMNS = tuple(Row.__dataclass_fields__)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The file with its table, in one transaction."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=30)
    try:
        with connection:
            connection.execute(_TABLE)
            known = {row[1] for row in connection.execute("PRAGMA table_info(stages)")}
            for name, kind in _LATER.items():
                if name not in known:
                    with contextlib.suppress(sqlite3.OperationalError):  # another process was faster
                        connection.execute(f"ALTER TABLE stages ADD COLUMN {name} {kind}")
            yield connection
    finally:
        connection.close()


def add(path: Path, row: Row) -> None:
    """Append one row; several processes may do so at once."""
    values = [getattr(row, column) for column in _COLUMNS]
    marks = ", ".join("?" * len(_COLUMNS))
    with opened(path) as connection:
        connection.execute(f"INSERT INTO stages ({', '.join(_COLUMNS)}) VALUES ({marks})", values)


def begin(path: Path, row: Row) -> int:
    """Append a row of a stage that this process has begun; returns its number, for `end`."""
    values = [*(getattr(row, column) for column in _COLUMNS if column != "outcome"), RUNNING, _process(os.getpid())]
    columns = [*(column for column in _COLUMNS if column != "outcome"), "outcome", "process"]
    with opened(path) as connection:
        marks = ", ".join("?" * len(columns))
        added = connection.execute(f"INSERT INTO stages ({', '.join(columns)}) VALUES ({marks})", values)
        assert added.lastrowid is not None
        return added.lastrowid


def end(path: Path, number: int, row: Row) -> None:
    """Replace what `begin` wrote with how it ended."""
    changes = ", ".join(f"{column} = ?" for column in _COLUMNS)
    values = [getattr(row, column) for column in _COLUMNS]
    with opened(path) as connection:
        connection.execute(f"UPDATE stages SET {changes}, process = '' WHERE id = ?", [*values, number])


def rows(
    path: Path, *, session: str | None = None, experiment: str | None = None, note: str = "", running: bool = False
) -> list[Row]:
    """Rows in the order in which they were added: all, or of one session or experiment, or whose note holds some words.

    Those of processes that are gone are closed first, as crashed, with no seconds: when they went is not known.

    Args:
        running: with those that are under way.
    """
    if not path.exists():
        return []
    wanted = {"session = ?": session, "experiment = ?": experiment, "instr(lower(note), lower(?))": note or None}
    clauses = [clause for clause, value in wanted.items() if value is not None]
    clauses += [] if running else [f"outcome != '{RUNNING}'"]
    where = f" WHERE {' AND '.join(clauses)}" if clauses else ""
    arguments = [value for value in wanted.values() if value is not None]
    with opened(path) as connection:
        close_crashed(connection)
        found = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM stages{where} ORDER BY id", arguments)
        return [Row(*values) for values in found]


def close_crashed(connection: sqlite3.Connection) -> None:
    """Of this machine; whether a process of another one lives cannot be seen from here."""
    host = socket.gethostname()
    for number, process in connection.execute("SELECT id, process FROM stages WHERE outcome = ?", [RUNNING]).fetchall():
        if process.startswith(f"{host} ") and _process(int(process.split()[1])) != process:
            connection.execute("UPDATE stages SET outcome = ?, process = '' WHERE id = ?", [CRASHED, number])


def _process(pid: int) -> str:
    """Host, process id and what tells it from a later process of that id."""
    return f"{socket.gethostname()} {pid} {processes.born(pid)}"


def wasted_usd(rows: Sequence[Row]) -> float:
    """Dollars of stages that failed, and of those that were done again later: by experiment, mode and stage."""
    latest = {(row.experiment, row.mode, row.stage): number for number, row in enumerate(rows) if row.outcome == "done"}
    return sum(
        row.usd
        for number, row in enumerate(rows)
        if row.stage != HELD
        and (
            row.outcome in ("failed", CRASHED)
            or (row.outcome == "done" and latest[row.experiment, row.mode, row.stage] != number)
        )
    )


def union_s(intervals: list[tuple[float, float]]) -> float:
    """Seconds covered by at least one of the intervals."""
    covered, end = 0.0, float("-inf")
    for start, stop in sorted(intervals):
        covered += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return covered
