"""What every stage of every run took, in seconds and dollars: one SQLite file that rows are only added to."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TABLE = """
CREATE TABLE IF NOT EXISTS stages (
    id INTEGER PRIMARY KEY,
    session TEXT NOT NULL,      -- one invocation of snakemake
    experiment TEXT NOT NULL,
    mode TEXT NOT NULL,         -- empty for stages that do not depend on it
    stage TEXT NOT NULL,
    started_at REAL NOT NULL,   -- seconds since the epoch
    wall_s REAL NOT NULL,
    work_started_at REAL,       -- first and last moment of generating, training, tracing or transferring
    work_ended_at REAL,
    usd REAL NOT NULL,
    outcome TEXT NOT NULL       -- done | failed | interrupted
)
"""


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

    @property
    def work_s(self) -> float:
        if self.work_started_at is None or self.work_ended_at is None:
            return 0.0
        return self.work_ended_at - self.work_started_at


_COLUMNS = tuple(Row.__dataclass_fields__)


@contextlib.contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=30)
    try:
        with connection:
            connection.execute(_TABLE)
            yield connection
    finally:
        connection.close()


def add(path: Path, row: Row) -> None:
    """Append one row; several processes may do so at once."""
    values = [getattr(row, column) for column in _COLUMNS]
    marks = ", ".join("?" * len(_COLUMNS))
    with _open(path) as connection:
        connection.execute(f"INSERT INTO stages ({', '.join(_COLUMNS)}) VALUES ({marks})", values)


def rows(path: Path, *, session: str | None = None, experiment: str | None = None) -> list[Row]:
    """Rows in the order in which they were added; all of them, or of one session or experiment."""
    if not path.exists():
        return []
    wanted = {"session": session, "experiment": experiment}
    clauses = [f"{column} = ?" for column, value in wanted.items() if value is not None]
    where = f" WHERE {' AND '.join(clauses)}" if clauses else ""
    arguments = [value for value in wanted.values() if value is not None]
    with _open(path) as connection:
        found = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM stages{where} ORDER BY id", arguments)
        return [Row(*values) for values in found]


def union_s(intervals: list[tuple[float, float]]) -> float:
    """Seconds covered by at least one of the intervals."""
    covered, end = 0.0, float("-inf")
    for start, stop in sorted(intervals):
        covered += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return covered
