"""Records as they lie in files: lines of .jsonl, values of .json, whole .txt and .md files; one at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

SUFFIXES = (".jsonl", ".ndjson", ".json", ".txt", ".md")
LINES = (".jsonl", ".ndjson")
LONGEST = 1 << 26  # bytes of one record: 64 MiB
CHUNK = 1 << 20  # characters of a .json file that are read at once
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Record:
    """One record, or why there is none."""

    number: int  # of the line in .jsonl, of the record in other files; from 1
    value: Any = None  # as JSON gives it; a text file's is its text
    fault: str = ""  # `json`, `cut` or `encoding`; empty: it could be read
    detail: str = ""  # what is wrong, in a few words
    plain: bool = False  # of a text file, which has no form to be checked


def read_records(path: Path) -> Iterator[Record]:
    """Every record of a file, with memory for the longest of them.

    Raises:
        ValueError: the file cannot be divided into records.
    """
    if path.name.lower().endswith(LINES):
        yield from _lines(path)
    elif path.suffix.lower() == ".json":
        yield from _values(path)
    else:
        yield _whole(path)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _lines(path: Path) -> Iterator[Record]:
    with path.open("rb") as stream:
        number = 0
        while raw := stream.readline(LONGEST):
            number += 1
            if len(raw) == LONGEST and not raw.endswith(b"\n"):
                raise ValueError(f"line {number} is longer than {LONGEST >> 20} MiB")
            text = raw.removeprefix(BOM) if number == 1 else raw
            if text.strip():
                yield _line(text, number)


def _line(raw: bytes, number: int) -> Record:
    try:
        return Record(number, _DECODER.decode(raw.decode()))
    except UnicodeDecodeError as error:
        return Record(number, fault="encoding", detail=f"not UTF-8 at byte {error.start}")
    except (ValueError, RecursionError) as error:
        if not raw.endswith(b"\n"):
            return Record(number, fault="cut", detail="the last line is cut")
        return Record(number, fault="json", detail=_short_reason(error))


def _whole(path: Path) -> Record:
    with path.open("rb") as stream:
        raw = stream.read(LONGEST + 1)
    if len(raw) > LONGEST:
        raise ValueError(f"a document longer than {LONGEST >> 20} MiB: split it up")
    try:
        return Record(1, raw.removeprefix(BOM).decode(), plain=True)
    except UnicodeDecodeError as error:
        return Record(1, fault="encoding", detail=f"not UTF-8 at byte {error.start}")


def _values(path: Path) -> Iterator[Record]:
    """The values of a list one by one; of any other file, the values that follow each other."""
    with path.open(encoding="utf-8-sig") as stream:
        number = 0
        try:
            for number, value in enumerate(_stream(stream), 1):
                yield Record(number, value)
        except UnicodeDecodeError as error:
            raise ValueError(f"not UTF-8 after record {number}: {error.reason}") from None
        except (ValueError, RecursionError) as error:
            raise ValueError(f"not JSON after record {number}: {_short_reason(error)}") from None


def _stream(stream: TextIO) -> Iterator[Any]:
    """Values of a list, or values side by side.

    Raises:
        ValueError: not JSON, or cut short.
    """
    buffer = stream.read(CHUNK).lstrip()
    is_list = buffer.startswith("[")
    buffer, first, wanted = buffer[is_list:], True, CHUNK
    while True:
        buffer = buffer.lstrip()
        if not buffer and (more := stream.read(CHUNK)):
            buffer = more
            continue
        if is_list and buffer.startswith("]"):
            if buffer[1:].strip() or stream.read(CHUNK).strip():
                raise ValueError("more follows the list")
            return
        if not buffer:
            if is_list:
                raise ValueError("cut short: the list has no end")
            return
        if is_list and not first:
            if not buffer.startswith(","):
                raise ValueError(f"no comma before {buffer[:20]!r}")
            buffer = buffer[1:].lstrip()
        value, buffer = _next(buffer, stream, wanted)
        first = False
        yield value


def _next(buffer: str, stream: TextIO, wanted: int) -> tuple[Any, str]:
    """The value that the buffer begins with and what follows; reads on, ever more at once, until it is whole."""
    while True:
        more = ""
        try:
            value, end = _DECODER.raw_decode(buffer)
            if end < len(buffer) or not (more := stream.read(wanted)):  # a number may go on
                return value, buffer[end:]
        except ValueError:
            more = stream.read(wanted)
            if not more:
                raise
        if len(buffer) > LONGEST:
            raise ValueError(f"nothing that ends within {LONGEST >> 20} MiB")
        buffer, wanted = (buffer + more).lstrip(), 2 * wanted


def _short_reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deep"
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)[:80]
