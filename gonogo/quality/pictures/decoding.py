"""Bytes to pixels: a whole picture, or the reason why there is none; never an exception, never half a picture.

JPEG goes through simplejpeg, the one decoder here that refuses flipped bits as well as a missing end. OpenCV, which
decodes the rest, refuses every truncated file, and by its checksums a damaged PNG.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from gonogo.quality.pictures.headers import Header, npy_layout, read_header

cv2.setNumThreads(1)  # files are worked on side by side; threads inside one small picture only cost
# a damaged file is a finding, not a line; OpenCV 4 and 5 differ in the function's place
(cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel)(0)

MOST_PIXELS = 200_000_000  # a header may claim any size: a few bytes must not take the memory (decompression bomb)
PNG_END = b"IEND\xaeB`\x82"


@dataclass(frozen=True, slots=True)
class Decoded:
    """Attributes:
    header: None where the file is not known as a picture.
    picture: as stored (H, W) or (H, W, C), BGR[A], any dtype; None when `problem` says why.
    """

    header: Header | None
    picture: np.ndarray | None
    problem: str = ""


def decode(data: bytes) -> Decoded:
    """The picture that a file's bytes hold; of several frames the first; not turned by EXIF."""
    header = None
    try:
        header = read_header(data)
        if header.width * header.height > MOST_PIXELS:
            limit = f"not opened above {MOST_PIXELS // 1_000_000} megapixels"
            raise ValueError(f"{header.width}×{header.height} pixels: {limit}")
        return Decoded(header, _pixels(data, header))
    except ValueError as error:
        return Decoded(header, None, str(error))


def _pixels(data: bytes, header: Header) -> np.ndarray:
    if header.format == "jpeg":
        return _jpeg(data, header)
    if header.format == "npy":
        return _npy(data)
    if header.format == "gif":
        return _gif(data)
    if header.format == "png" and data.rfind(PNG_END) < 0:
        raise ValueError("truncated: the PNG's end is missing")
    return _opencv(data, header)


def _jpeg(data: bytes, header: Header) -> np.ndarray:
    try:
        if header.samples == 4:
            simplejpeg.decode_jpeg(data, colorspace="CMYK")
            return _opencv(data, header)
        if header.samples == 1:
            return simplejpeg.decode_jpeg(data, colorspace="GRAY")[..., 0]
        # Rows that are not aligned keep libjpeg-turbo from writing past the cache: 40 µs saved on 256×256 pixels.
        memory = np.empty(header.height * header.width * 3 + 1, np.uint8)[1:]
        return simplejpeg.decode_jpeg(data, colorspace="BGR", buffer=memory)
    except ValueError as error:
        raise ValueError(f"truncated or damaged ({str(error).strip().lower()})") from None


def _opencv(data: bytes, header: Header) -> np.ndarray:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION if header.cmyk else cv2.IMREAD_UNCHANGED
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        picture = None
    if picture is None:
        can = "" if header.format != "exr" else "; OpenEXR also needs an OpenCV that reads it"
        raise ValueError("truncated or damaged" + can)
    return picture


def _gif(data: bytes) -> np.ndarray:
    """By Pillow: older OpenCVs read none."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            see_through = "transparency" in picture.info
            pixels = np.asarray(picture.convert("RGBA" if see_through else "RGB"))
    except Exception as error:  # whatever its decoder raises
        raise ValueError(f"truncated or damaged ({str(error).lower()})") from None
    return np.ascontiguousarray(pixels[..., [2, 1, 0, 3][: pixels.shape[2]]])


def _npy(data: bytes) -> np.ndarray:
    shape, fortran, dtype, start = npy_layout(data)
    count = int(np.prod(shape, dtype=object))
    if dtype.hasobject or start + count * dtype.itemsize > len(data):
        raise ValueError("holds Python objects" if dtype.hasobject else "truncated: the array is not whole")
    array = np.frombuffer(data, dtype, count, start).reshape(shape, order="F" if fortran else "C")
    if array.ndim == 3 and array.shape[2] in (3, 4):  # arrays are RGB by custom
        return np.ascontiguousarray(array[..., [2, 1, 0, 3][: array.shape[2]]])
    return np.ascontiguousarray(array)
