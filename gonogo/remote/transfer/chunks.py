"""What is to be carried: files cut into pieces, small ones packed together into one load."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gonogo.remote.agent import piece_bytes

LOAD_BYTES, SMALL_LOAD_BYTES, LOAD_FILES = 1 << 20, 1 << 18, 256


@dataclass(frozen=True)
class Chunk:
    """Bytes of a file. `index`: which of its pieces it is."""

    name: str
    offset: int
    bytes: int
    size: int
    index: int = 0


Batch = list[Chunk]


def cut_file(name: str, size: int) -> list[Chunk]:
    """All pieces of a file; an empty file has one, which is empty."""
    piece = piece_bytes(size)
    return [
        Chunk(name, offset, min(piece, size - offset), size, index)
        for index, offset in enumerate(range(0, max(size, 1), piece))
    ]


def lacking(name: str, size: int, wanted: list[str], there: list[str]) -> list[Chunk]:
    """The pieces of a file whose hash on the other side is another, or none."""
    return [
        piece
        for piece in cut_file(name, size)
        if piece.index >= len(there) or there[piece.index] != wanted[piece.index]
    ]


def loads(pieces: Iterable[Chunk], most_bytes: int = LOAD_BYTES) -> Iterator[Batch]:
    """Packed, so that a round trip or a line of JSON is paid for a megabyte, not for a file."""
    load: Batch = []
    filled = 0
    for piece in pieces:
        if load and (filled + piece.bytes > most_bytes or len(load) == LOAD_FILES):
            yield load
            load, filled = [], 0
        load.append(piece)
        filled += piece.bytes
    if load:
        yield load


@dataclass
class Queue:
    """Loads that the lanes take from, whoever is free first."""

    waiting: Iterator[Batch]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> Batch | None:
        with self._lock:
            return next(self.waiting, None)
