"""Files that are odd and whole, and files that are made to do harm."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from gonogo.quality.pictures.decoding import decode


def grey(side: int = 40) -> np.ndarray:
    return (np.add.outer(np.arange(side), np.arange(side)) * 3).astype(np.uint8)


def saved(picture: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def bits(count: int) -> bytes:
    """A TIFF of 16 × 16 samples of fewer bits than a byte."""
    strip = bytes(range(256))[: 16 * 16 * count // 8]
    tags = [(256, 16), (257, 16), (258, count), (259, 1), (262, 1), (273, 8), (277, 1), (278, 16), (279, len(strip))]
    head = b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip
    entries = b"".join(struct.pack("<HHII", tag, 4 if tag in (273, 279) else 3, 1, value) for tag, value in tags)
    return head + struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)


ODD = {
    "BigTIFF": lambda: saved(Image.fromarray(grey()), "TIFF", big_tiff=True),
    "int32": lambda: saved(Image.fromarray(grey().astype(np.int32) * 40), "TIFF"),
    "2 bits": lambda: bits(2),
    "4 bits": lambda: bits(4),
    "PCX": lambda: saved(Image.fromarray(grey()), "PCX"),
    "PPM": lambda: saved(Image.fromarray(grey()), "PPM"),
}


@pytest.mark.parametrize("name", ODD)
def test_whole_files_that_pillow_reads_are_read(name: str) -> None:
    data = ODD[name]()
    found = decode(data)
    assert found.problem == "" and found.picture is not None
    assert found.picture.dtype in (np.uint8, np.uint16) and found.picture.std() > 1
    if name != "PCX":  # has no end that could be missing
        assert decode(data[: len(data) // 2]).picture is None


def test_a_compression_that_few_read_is_named() -> None:
    data = bytearray(saved(Image.fromarray(grey()), "TIFF"))
    at = data.find(struct.pack("<HHI", 259, 3, 1))
    data[at + 8 : at + 10] = struct.pack("<H", 34887)
    assert decode(bytes(data)).problem == "not read here: TIFF compressed by LERC; save it again"


def test_a_directory_that_points_to_itself_is_damage_at_once() -> None:
    data = bytearray(saved(Image.fromarray(grey()), "TIFF"))
    at = struct.unpack_from("<I", data, 4)[0]
    fields = struct.unpack_from("<H", data, at)[0]
    struct.pack_into("<I", data, at + 2 + 12 * fields, at)
    assert decode(bytes(data)).problem == "damaged: a directory of the file points back to one before it"
