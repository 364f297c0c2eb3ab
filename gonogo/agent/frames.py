"""The wire format: frames of chunks, compressed where that pays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from .files import LARGEST_CHUNK_BYTES
from .json_files import Problem

LARGEST_FRAME_BYTES, LARGEST_HEADER_BYTES = LARGEST_CHUNK_BYTES, 1 << 20
SAMPLE_BYTES = 16 << 10


def cut(chunks: list[list[Any]], data: memoryview) -> Iterator[tuple[list[Any], memoryview]]:
    """Each chunk of a frame with its bytes."""
    offset = 0
    for chunk in chunks:
        yield chunk, data[offset : offset + chunk[2]]
        offset += chunk[2]


def read_frames(stream: IO[bytes]) -> Iterator[tuple[list[list[Any]], memoryview]]:
    """Frames of a stream: one line of JSON, {"chunks": […], "packed": bytes or 0}, then the chunks' bytes.

    The memory that is handed out is used again for the next frame.

    Raises:
        Problem: the stream breaks, or announces more than a frame may hold.
    """
    buffer = bytearray(LARGEST_FRAME_BYTES)
    while True:
        line = stream.readline(LARGEST_HEADER_BYTES)
        if not line.strip():
            return
        try:
            header = json.loads(line)
            chunks, packed = header["chunks"], header["packed"]
            if type(packed) is not int or not all(map(_is_chunk, chunks)):
                raise ValueError
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Problem(f"the stream broke: {line[:60]!r} is not the head of a frame") from None
        size = sum(chunk[2] for chunk in chunks)
        if size > LARGEST_FRAME_BYTES or not 0 <= packed <= LARGEST_FRAME_BYTES:
            raise Problem("a frame announces more data than one may hold; refused")
        data = memoryview(buffer)[: packed or size]
        _read_all(stream, data)
        yield chunks, _unpacked(data, size) if packed else data


def _is_chunk(chunk: Any) -> bool:
    """[name, offset, bytes, size, mode, hash], the numbers not below 0."""
    if not isinstance(chunk, list) or len(chunk) != 6:
        return False
    name, *numbers, sha256 = chunk
    return isinstance(name, str) and isinstance(sha256, str) and all(type(n) is int and n >= 0 for n in numbers)


def _read_all(stream: Any, data: memoryview) -> None:
    while data:
        count = stream.readinto(data)
        if not count:
            raise Problem("the stream ended in the middle of a chunk")
        data = data[count:]


def _unpacked(data: memoryview, size: int) -> memoryview:
    import zlib

    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(data, size + 1)
    except zlib.error:
        raise Problem("the stream broke: a compressed chunk cannot be read") from None
    if len(unpacked) != size:
        raise Problem("a compressed chunk does not have the size that was announced; refused")
    return memoryview(unpacked)


def read_chunk(path: Path, offset: int, count: int) -> bytes:
    """Bytes of a file.

    Raises:
        Problem: it cannot be read, or ends before.
    """
    try:
        with path.open("rb", buffering=0) as stream:
            stream.seek(offset)
            data = stream.read(count)
    except OSError as error:
        raise Problem(f"{path}: cannot be read ({error.strerror})") from None
    if len(data) != count:
        raise Problem(f"{path}: changed while it was being sent")
    return data


def frame(chunks: list[list[Any]], blocks: list[bytes], may_pack: bool) -> list[bytes]:
    """The buffers to write for these chunks; packed when a sample of them says that it pays."""
    packed = _packed(blocks) if may_pack and blocks else b""
    header = json.dumps({"chunks": chunks, "packed": len(packed)}).encode() + b"\n"
    return [header, packed] if packed else [header, *blocks]


def _packed(blocks: list[bytes]) -> bytes:
    """Compressed, or nothing where the sample or the whole does not become a fifth smaller."""
    import zlib

    sample = b"".join(block[: SAMPLE_BYTES // len(blocks) + 1] for block in blocks)
    if len(zlib.compress(sample, 1)) > 0.8 * len(sample):
        return b""
    packed = zlib.compress(b"".join(blocks), 1)
    return packed if len(packed) < 0.8 * sum(map(len, blocks)) else b""
