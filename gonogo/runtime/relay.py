"""Stages on a cluster's nodes, and the process that began the workflow: what they say and their rows of the ledger.

Nobody sees a node's terminal, and SQLite's locks do not hold between the nodes of many file systems. So each job writes
into a folder of its own below `results_dir`, and the workflow's process alone prints, and writes the ledger.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import socket
import sqlite3
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from gonogo.base.files import write_text
from gonogo.base.text import shown
from gonogo.runtime import ledger
from gonogo.runtime.session import in_a_job, session_name

FOLDER, SAID, ROW = ".jobs", "said.txt", "row.json"
LOOK_S = 1.0


class FromJob:
    """A job's side: its rows, and from now on a copy of what it prints on stderr."""

    def __init__(self, results: Path) -> None:
        self._folder = results / FOLDER / session_name() / f"{socket.gethostname()}-{os.getpid()}"
        self._folder.mkdir(parents=True, exist_ok=True)
        sys.stderr = _Both(sys.stderr, (self._folder / SAID).open("a", buffering=1))

    def row(self, row: ledger.Row) -> None:
        write_text(self._folder / ROW, json.dumps(asdict(row)) + "\n")


def from_job(results: Path) -> FromJob | None:
    """None where this stage is no job of a cluster."""
    return FromJob(results) if in_a_job() else None


class _Both(io.TextIOBase):
    def __init__(self, first: TextIO, second: TextIO) -> None:
        self._first, self._second = first, second

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._second.write(text)
        return self._first.write(text)

    def flush(self) -> None:
        self._first.flush()

    def fileno(self) -> int:
        return self._first.fileno()


class FromJobs:
    """The workflow's side, until `end`. Whoever makes it holds the lock of `results`; older runs' files are removed."""

    def __init__(self, results: Path) -> None:
        self._folder, self._ledger = results / FOLDER / session_name(), results / "ledger.sqlite"
        self._said: dict[Path, int] = {}
        self._rows: dict[Path, int] = {}
        self._over: set[Path] = set()
        self._ended = threading.Event()
        shutil.rmtree(results / FOLDER, ignore_errors=True)
        self._thread = threading.Thread(target=self._watch, name="jobs", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Take what has come last; a row that is still open is closed as its job's that was lost."""
        self._ended.set()
        self._thread.join()
        self._look()
        for folder in self._rows.keys() - self._over:
            self._write(folder, lost=True)
        shutil.rmtree(self._folder.parent, ignore_errors=True)

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_S):
            self._look()

    def _look(self) -> None:
        folders = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
        for folder in folders:
            if folder not in self._over:
                self._print(folder)
                self._write(folder)

    def _print(self, folder: Path) -> None:
        with contextlib.suppress(OSError), (folder / SAID).open("rb") as said:
            said.seek(self._said.get(folder, 0))
            whole, newline, _ = said.read().rpartition(b"\n")
            self._said[folder] = self._said.get(folder, 0) + len(whole + newline)
            if newline:
                print(shown(whole.decode(errors="replace")), file=sys.stderr, flush=True)

    def _write(self, folder: Path, *, lost: bool = False) -> None:
        with contextlib.suppress(OSError, ValueError, TypeError, sqlite3.Error):
            row = ledger.Row(**json.loads((folder / ROW).read_text()))
            if folder not in self._rows:
                self._rows[folder] = ledger.begin(self._ledger, row)
            if lost:
                row = ledger.Row(**{**asdict(row), "outcome": ledger.CRASHED})
            if row.outcome != ledger.RUNNING:
                ledger.end(self._ledger, self._rows[folder], row)
                self._print(folder)
                self._over.add(folder)
