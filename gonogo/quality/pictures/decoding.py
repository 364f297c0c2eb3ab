"""Bytes to pixels: a whole picture, or the reason why there is none; never an exception, never half a picture.

JPEG goes through simplejpeg, the one decoder here that refuses flipped bits as well as a missing end. OpenCV, which
decodes the rest, refuses every truncated file, and by its checksums a damaged PNG. What neither knows (BigTIFF, samples
of 2 or 32 bits, PCX, …) Pillow may read.
"""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from gonogo.quality.pictures.headers import Header, compression, npy_layout, read_header

cv2.setNumThreads(1)  # files are worked on side by side; threads inside one small picture only cost
# a damaged file is a finding, not a line; OpenCV 4 and 5 differ in the function's place
(cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel)(0)

MOST_PIXELS = 200_000_000  # a header may claim any size: a few bytes must not take the memory (decompression bomb)
LARGE_PIXELS = 16_000_000  # from which on one picture at a time is unpacked
UNDECODED = ("truncated or damaged", "not a ")  # what may be a form that the others do not read
STRICT = ("png", "jpeg", "npy", "gif")  # forms of which every damage is to be seen
JPEG = b"\xff\xd8"
_LARGE = threading.Lock()
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


@contextlib.contextmanager
def alone_if_large(data: bytes) -> Iterator[None]:
    """Within the block no other large picture of this process is in memory: a few kB can unpack to gigabytes."""
    large = False
    if not data.startswith(JPEG):
        with contextlib.suppress(ValueError):
            header = read_header(data)
            large = header.width * header.height > LARGE_PIXELS
    with _LARGE if large else contextlib.nullcontext():
        yield


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
        if (header is not None and header.format in STRICT) or not str(error).startswith(UNDECODED):
            return Decoded(header, None, str(error))
        return by_pillow(data, header, str(error))


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
    if picture is not None and picture.dtype in (np.int32, np.uint32):
        picture = _narrowed(picture)
    if picture is None:
        can = "" if header.format != "exr" else "; OpenEXR also needs an OpenCV that reads it"
        raise ValueError("truncated or damaged" + can)
    return picture


def _narrowed(picture: np.ndarray) -> np.ndarray:
    """32-bit whole numbers as 16 bits where they fit, else as floats."""
    fits = picture.size and int(picture.min()) >= 0 and int(picture.max()) <= 65535
    return picture.astype(np.uint16 if fits else np.float32)


def by_pillow(data: bytes, header: Header | None, problem: str) -> Decoded:
    """What Pillow makes of a file that the others do not read; where it reads none, either, `problem` stands.

    It refuses what is cut short or fails its checksums, as the others do.
    """
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > MOST_PIXELS or picture.format == "JPEG":
                return Decoded(header, None, problem)
            header = header or Header(
                str(picture.format).lower(), picture.width, picture.height, len(picture.getbands())
            )
            return Decoded(header, _array(picture))
    except Exception as error:  # whatever its decoders raise
        unread = compression(data) or ("" if "truncated" in str(error) else _unread(error))
        return Decoded(header, None, f"not read here: {unread}; save it again" if unread else problem)


def _unread(error: Exception) -> str:
    """A form of file that this build of Pillow cannot decode."""
    text = str(error).lower()
    return text if "not available" in text or "unsupported" in text or "unknown pixel mode" in text else ""


def _array(picture: Image.Image) -> np.ndarray:
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        found = np.asarray(picture)
        return _narrowed(found) if found.dtype == np.int32 else found
    if picture.mode in ("1", "L"):
        return np.asarray(picture.convert("L"))
    see_through = picture.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in picture.info
    pixels = np.asarray(picture.convert("RGBA" if see_through else "RGB"))
    return np.ascontiguousarray(pixels[..., [2, 1, 0, 3][: pixels.shape[2]]])


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
