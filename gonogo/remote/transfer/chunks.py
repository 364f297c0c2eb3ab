"""What a transfer consists of: files cut into chunks, small ones packed together into one batch."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gonogo.agent.files import chunk_bytes

BATCH_BYTES, SMALL_BATCH_BYTES, BATCH_FILES = 1 << 20, 1 << 18, 256


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of a file. `index`: their place among its chunks."""

    name: str
    offset: int
    bytes: int
    size: int
    index: int = 0


Batch = list[Chunk]


def cut_file(name: str, size: int) -> list[Chunk]:
    """All chunks of a file; an empty file has one, which is empty."""
    chunk = chunk_bytes(size)
    return [
        Chunk(name, offset, min(chunk, size - offset), size, index)
        for index, offset in enumerate(range(0, max(size, 1), chunk))
    ]


def lacking(name: str, size: int, wanted: list[str], there: list[str]) -> list[Chunk]:
    """The chunks of a file that the other side lacks, or has with another hash."""
    return [
        chunk
        for chunk in cut_file(name, size)
        if chunk.index >= len(there) or there[chunk.index] != wanted[chunk.index]
    ]


def batches(chunks: Iterable[Chunk], most_bytes: int = BATCH_BYTES) -> Iterator[Batch]:
    """Packed, so that a round trip or a line of JSON is spent on a megabyte, not on a file."""
    batch: Batch = []
    filled = 0
    for chunk in chunks:
        if batch and (filled + chunk.bytes > most_bytes or len(batch) == BATCH_FILES):
            yield batch
            batch, filled = [], 0
        batch.append(chunk)
        filled += chunk.bytes
    if batch:
        yield batch


@dataclass
class Queue:
    """Batches that the streams take, whichever is free first."""

    waiting: Iterator[Batch]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> Batch | None:
        with self._lock:
            return next(self.waiting, None)
