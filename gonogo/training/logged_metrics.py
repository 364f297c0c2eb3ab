"""The last value of each metric that a run logged: printed, in CSV files, a Trainer's state, TensorBoard event files.

Names are as they were written, `/` and blanks as `_`: `eval/loss` is `eval_loss`.
"""

from __future__ import annotations

import csv
import json
import math
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from gonogo.base.files import walk
from gonogo.training.printed import LOSSES, PRINTED

LARGEST_BYTES = 200_000_000
TOO_MUCH = (RecursionError, OverflowError)  # of JSON
NO_METRIC = {"step", "epoch", "seconds", "time", "iteration", "iter", "wall_time", "total_flos"}


def logged_metrics(folder: Path) -> dict[str, float]:
    """The last finite value of every metric below the folder; a file that cannot be read counts for nothing."""
    found: dict[str, float] = {}
    for file in sorted(walk(folder), key=lambda file: file.name != PRINTED):  # what was written counts more
        if file.stat().st_size > LARGEST_BYTES:
            continue
        try:
            for name, value in _values(file):
                key = re.sub(r"\W+", "_", name.strip()).strip("_")
                if key and key.lower() not in NO_METRIC and math.isfinite(value):
                    found[key] = value
        except (OSError, ValueError, TypeError, KeyError, AttributeError, struct.error, csv.Error, *TOO_MUCH):
            continue
    return found


def _values(file: Path) -> Iterator[tuple[str, float]]:
    if file.name == PRINTED:
        for line in file.read_text(errors="replace").splitlines():
            yield from ((name, float(value)) for name, value in json.loads(line).items())
    elif file.suffix == ".csv" and file.name != LOSSES:
        yield from _of_csv(file)
    elif file.name == "trainer_state.json":
        for entry in json.loads(file.read_text())["log_history"]:
            yield from ((name, float(value)) for name, value in entry.items() if isinstance(value, int | float))
    elif "tfevents" in file.name:
        yield from _of_events(file.read_bytes())


def _of_csv(file: Path) -> Iterator[tuple[str, float]]:
    with file.open(newline="", errors="replace") as stream:
        for row in csv.DictReader(stream):
            for name, text in row.items():
                if isinstance(text, str) and text.strip():
                    try:
                        yield str(name), float(text)
                    except ValueError:
                        continue


# --- TensorBoard: records of a length, a checksum, an Event, a checksum; the few fields of it that hold scalars ---

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
SUMMARY, VALUE, TAG, SIMPLE, TENSOR, FLOATS, CONTENT = 5, 1, 1, 2, 8, 5, 4  # numbers of the fields


def _of_events(data: bytes) -> Iterator[tuple[str, float]]:
    place = 0
    while place + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        event = data[place + 12 : place + 12 + length]
        place += length + 16
        for summary in _fields(event, SUMMARY):
            for value in _fields(summary, VALUE):
                tags, scalars = _fields(value, TAG), [*_fields(value, SIMPLE), *_scalars_of_tensors(value)]
                if tags and scalars and len(scalars[-1]) == 4:
                    yield tags[0].decode(errors="replace"), struct.unpack("<f", scalars[-1])[0]


def _scalars_of_tensors(value: bytes) -> list[bytes]:
    return [
        content
        for tensor in _fields(value, TENSOR)
        for number in (FLOATS, CONTENT)
        for content in _fields(tensor, number)
        if len(content) == 4
    ]


def _fields(message: bytes, wanted: int) -> list[bytes]:
    """The raw values of one field of a protocol buffer, in their order."""
    found, place = [], 0
    while place < len(message):
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            _, place = _varint(message, place)
            continue
        if kind == BYTES:
            size, place = _varint(message, place)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise ValueError("not a protocol buffer")
        if number == wanted:
            found.append(message[place : place + size])
        place += size
    return found


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place] if place < len(message) else 0
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if not byte & 0x80:
            return value, place
