"""Scalars of TensorBoard's event files: records of a length, a checksum, an Event, a checksum.

Of an Event, the few fields that hold scalars are read. The file may come from another machine: nothing of it is held
in memory but one record, and none that is larger than `EVENT_AT_MOST_BYTES`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

EVENT_AT_MOST_BYTES = 1 << 20  # of a record: larger ones hold pictures
HEAD_BYTES, CHECKSUM_BYTES = 12, 4
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LONGEST_VARINT = 10
SUMMARY, VALUE, TAG, SIMPLE, TENSOR, FLOATS, CONTENT = 5, 1, 1, 2, 8, 5, 4  # numbers of the fields


def scalars(stream: BinaryIO, size_bytes: int, count: Callable[[], None]) -> Iterator[tuple[str, float]]:
    """Tag and value of each scalar, in their order.

    Args:
        size_bytes: of the file.
        count: called for every field that is read.

    Raises:
        ValueError, struct.error: it is no event file from here on.
    """
    place = 0
    while place + HEAD_BYTES <= size_bytes:
        stream.seek(place)
        (length,) = struct.unpack_from("<Q", stream.read(HEAD_BYTES))
        place += HEAD_BYTES + length + CHECKSUM_BYTES
        event = stream.read(length) if length <= EVENT_AT_MOST_BYTES else b""
        for summary in _fields(event, SUMMARY, count):
            for value in _fields(summary, VALUE, count):
                tags = _fields(value, TAG, count)
                found = [*_fields(value, SIMPLE, count), *_of_tensors(value, count)]
                if tags and found and len(found[-1]) == 4:
                    yield tags[0].decode(errors="replace"), struct.unpack("<f", found[-1])[0]


def _of_tensors(value: bytes, count: Callable[[], None]) -> list[bytes]:
    return [
        content
        for tensor in _fields(value, TENSOR, count)
        for number in (FLOATS, CONTENT)
        for content in _fields(tensor, number, count)
        if len(content) == 4
    ]


def _fields(message: bytes, wanted: int, count: Callable[[], None]) -> list[bytes]:
    """The raw values of one field of a protocol buffer, in their order."""
    found, place = [], 0
    while place < len(message):
        count()
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
    value = 0
    for index in range(LONGEST_VARINT):
        byte = message[place + index] if place + index < len(message) else 0
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, place + index + 1
    raise ValueError("not a protocol buffer")
