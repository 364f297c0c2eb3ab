"""Records as they lie in files: lines of .jsonl, values of .json, whole .txt and .md files; one at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

SUFFIXES = (".jsonl", ".ndjson", ".json", ".txt", ".md")
LINES = (".jsonl", ".ndjson")
LONGEST = 1 << 26  # bytes of one record: 64 MiB
CHUNK = 1 << 20  # characters of a .json file that are read at once
BOM = b"\xef\xbb\xbf"
SPACES = re.compile(r"\s*")


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
    window = _Window(stream)
    is_list = window.peek() == "["
    window.skip(is_list)
    first = True
    while follows := window.peek():
        if is_list and follows == "]":
            window.skip()
            if window.peek():
                raise ValueError("more follows the list")
            return
        if is_list and not first:
            if follows != ",":
                raise ValueError(f"no comma before {window.shown!r}")
            window.skip()
            window.peek()
        yield window.value()
        first = False
    if is_list:
        raise ValueError("cut short: the list has no end")


class _Window:
    """The part of a text that is held, and a place in it: a value that was read is passed over, and copied nowhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._text, self._at = stream, "", 0

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            self._at = SPACES.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read(CHUNK):
                return ""

    def skip(self, characters: int = 1) -> None:
        self._at += characters

    @property
    def shown(self) -> str:
        return self._text[self._at : self._at + 20]

    def value(self) -> Any:
        """The value that begins here; reads on, ever more at once, until it is whole."""
        wanted = CHUNK
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
                if end < len(self._text):
                    self._at = end
                    return value
                length = end - self._at  # a number may go on
                if not self._read(wanted):
                    self._at = length
                    return value
            except ValueError:
                if not self._read(wanted):
                    raise
            if len(self._text) > LONGEST + wanted:
                raise ValueError(f"nothing that ends within {LONGEST >> 20} MiB")
            wanted *= 2

    def _read(self, characters: int) -> bool:
        """Whether there was more. What was passed over is dropped."""
        more = self._stream.read(characters)
        self._text, self._at = self._text[self._at :] + more, 0
        return bool(more)


def _short_reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deep"
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)[:80]
