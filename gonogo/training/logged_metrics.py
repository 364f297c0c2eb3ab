"""The last value of each metric that a run logged: printed, in CSV files, a Trainer's state, TensorBoard event files.

Names are as they were written, `/` and blanks as `_`: `eval/loss` is `eval_loss`. The files come from another machine,
and may be of any size: what is read of them, and how much of it at once, is bounded.
"""

from __future__ import annotations

import csv
import math
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gonogo.base.bounded_json import SMALL, JsonBounds, parsed
from gonogo.base.files import walk
from gonogo.config.tracking import FOLDER
from gonogo.training.event_files import scalars
from gonogo.training.printed import LOSSES, PRINTED

LARGEST_BYTES = 200_000_000
LINE_BYTES = 1 << 20
VALUES_AT_MOST = 15_000_000  # cells, fields and lines of all files together: some seconds
JSON_LINE_VALUES = 8  # what a line of JSON counts for
COLUMNS_AT_MOST = 1000  # a wider table holds no metrics
METRICS_AT_MOST = 1000
NAME_CHARACTERS = 100
STATE_BOUNDS = JsonBounds(40 << 20, 600_000)
NO_METRIC = {"step", "epoch", "seconds", "time", "iteration", "iter", "wall_time", "total_flos"}


class _TooMuch(Exception):
    """More values than one would wait for."""


class _Count:
    """Values that may still be read."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self, values: int = 1) -> None:
        self.left -= values
        if self.left < 0:
            raise _TooMuch


def logged_metrics(folder: Path) -> dict[str, float]:
    """The last finite value of every metric below the folder; a file that cannot be read counts for nothing.

    Beyond `VALUES_AT_MOST` and `METRICS_AT_MOST` nothing more is read.
    """
    found: dict[str, float] = {}
    keys: dict[str, str] = {}
    count = _Count(VALUES_AT_MOST)
    ours = folder / FOLDER, folder / "out" / FOLDER  # the record of what was read elsewhere
    files = [file for file in walk(folder) if not any(file.is_relative_to(each) for each in ours)]
    for file in sorted(files, key=lambda file: file.name != PRINTED):  # what was written counts more
        try:
            for name, value in _values(file, count):
                key = keys.get(name) or _key(name)
                if len(keys) < METRICS_AT_MOST:
                    keys[name] = key
                if key and math.isfinite(value) and (key in found or len(found) < METRICS_AT_MOST):
                    found[key] = value
        except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, struct.error, csv.Error):
            continue
        except _TooMuch:
            break
    return found


def _key(name: str) -> str:
    """Empty where it names no metric."""
    key = re.sub(r"\W+", "_", name.strip()[:NAME_CHARACTERS]).strip("_")
    return "" if key.lower() in NO_METRIC else key


def _values(file: Path, count: _Count) -> Iterator[tuple[str, float]]:
    size_bytes = file.stat().st_size
    if size_bytes > LARGEST_BYTES:
        return
    with file.open("rb") as stream:
        if file.name == PRINTED:
            for line in _lines(stream, count):
                count(JSON_LINE_VALUES)
                printed = parsed(line, SMALL, "utf-8")
                yield from ((name, float(value)) for name, value in printed.items())
        elif file.suffix == ".csv" and file.name != LOSSES:
            yield from _of_csv(stream, count)
        elif file.name == "trainer_state.json":
            for entry in parsed(stream.read(STATE_BOUNDS.size_bytes + 1), STATE_BOUNDS, "utf-8")["log_history"]:
                yield from ((name, float(value)) for name, value in entry.items() if isinstance(value, int | float))
        elif "tfevents" in file.name:
            yield from scalars(stream, size_bytes, count)


def _lines(stream: BinaryIO, count: _Count) -> Iterator[bytes]:
    while line := stream.readline(LINE_BYTES):
        if len(line) == LINE_BYTES:
            raise ValueError(f"a line of more than {LINE_BYTES} bytes")
        count()
        yield line


def _of_csv(stream: BinaryIO, count: _Count) -> Iterator[tuple[str, float]]:
    rows = csv.reader(line.decode(errors="replace") for line in _lines(stream, count))
    names = next(rows, [])
    if len(names) > COLUMNS_AT_MOST:
        return
    for row in rows:
        count(len(row))
        for name, text in zip(names, row, strict=False):
            if text.strip():
                try:
                    yield name, float(text)
                except ValueError:
                    continue
