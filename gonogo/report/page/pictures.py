"""Pictures inside the page: small enough that the page stays below its size, and without a file beside it."""

from __future__ import annotations

import base64
import functools
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_BYTES = 600_000  # of one picture; the page has at most six
WIDEST, TALLEST = 1600, 16_000  # pixels; WebP ends at 16,383
CROP_SHARE = 0.78  # height of the proof over its width
MOST_PIXELS = 200_000_000  # more are not opened
FINE, COARSE = 82, 55  # WebP qualities


@dataclass(frozen=True)
class PagePicture:
    """A picture as an address that holds all of it."""

    address: Markup
    width: int
    height: int


def embedded(path: Path, most_bytes: int = MOST_BYTES) -> PagePicture | None:
    """The whole picture; None where it is not there or cannot be read."""
    return _kept(_whole, path, most_bytes)


def proof(path: Path) -> PagePicture | None:
    """The upper part, which holds the worst items, cut between two rows of them where there is room between."""
    return _kept(_upper_part, path, MOST_BYTES // 3)


def _kept(make: Callable[[Path, int], PagePicture | None], path: Path, most_bytes: int) -> PagePicture | None:
    """What was made of this very file before, where a server renders the page again."""
    try:
        status = path.stat()
    except OSError:
        return None
    return _made(make, path, most_bytes, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=24)
def _made(
    make: Callable[[Path, int], PagePicture | None], path: Path, most_bytes: int, changed_ns: int, size_bytes: int
) -> PagePicture | None:
    return make(path, most_bytes)


def _whole(path: Path, most_bytes: int) -> PagePicture | None:
    if path.suffix == ".svg":
        return _vector(path)
    picture = _opened(path)
    return None if picture is None else _encoded(picture, most_bytes)


def _upper_part(path: Path, most_bytes: int) -> PagePicture | None:
    picture = upper_part(path)
    return None if picture is None else _encoded(picture, most_bytes)


def upper_part(path: Path) -> Image | None:
    """What `proof` shows, unscaled."""
    picture = _opened(path)
    if picture is None:
        return None
    wanted = round(CROP_SHARE * picture.width)
    if picture.height > wanted:
        picture = picture.crop((0, 0, picture.width, _cut(picture, wanted)))
    return picture


def first_picture(paths: Sequence[Path]) -> Path | None:
    return next((path for path in paths if path.suffix in (".png", ".jpg", ".webp") and path.is_file()), None)


def _cut(picture: Image, wanted: int) -> int:
    """The row to cut at: the middle of the widest empty band that begins in the lower half of what is wanted."""
    import numpy as np

    rows = np.asarray(picture.convert("L").crop((0, 0, picture.width, wanted)))
    empty = np.ptp(rows, axis=1) == 0
    best, begin = (0, wanted), None
    for row, is_empty in enumerate([*empty, False]):
        if is_empty and begin is None:
            begin = row
        elif not is_empty and begin is not None:
            if begin >= wanted // 2 and row - begin >= best[0]:
                best = (row - begin, (begin + row) // 2)
            begin = None
    return best[1]


def _opened(path: Path) -> Image | None:
    from PIL import Image as pillow

    try:
        with pillow.open(path) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                return None
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError):  # what Pillow raises on damaged files
        return None


def _encoded(picture: Image, most_bytes: int) -> PagePicture:
    """First well, then smaller by as much as it was too large, until it is small enough."""
    scale, quality = min(1.0, WIDEST / picture.width, TALLEST / picture.height), FINE
    while True:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        file = io.BytesIO()
        (picture if size == picture.size else picture.resize(size)).save(file, "WEBP", quality=quality, method=2)
        data = file.getvalue()
        if len(data) <= most_bytes or max(size) < 64:
            return PagePicture(_address("image/webp", data), *size)
        scale *= 0.9 * min(1.0, (most_bytes / len(data)) ** 0.5) if quality == COARSE else 1.0
        quality = COARSE


def _vector(path: Path) -> PagePicture | None:
    """SVG as a picture: nothing in it is executed."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return PagePicture(_address("image/svg+xml", data), 0, 0) if len(data) <= MOST_BYTES else None


def _address(kind: str, data: bytes) -> Markup:
    return Markup(f"data:{kind};base64,{base64.b64encode(data).decode()}")
