"""One pass over a picture: read, hash and decode once, then everything that any check asks for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gonogo.quality.pictures.decoding import Decoded, alone_if_large, decode
from gonogo.quality.pictures.headers import SUFFIXES, Header
from gonogo.quality.pictures.layout import compare, sketch
from gonogo.quality.pictures.marks import measured_marks
from gonogo.quality.pictures.measurements import ImageStatistics, PairStatistics
from gonogo.quality.pictures.palette import foreign_share, tints
from gonogo.quality.pictures.pixels import measured_pixels
from gonogo.quality.pictures.sample import Sample, take_sample

SMALLEST_SIDE = 16  # pixels; below, lag 8 and the 32×32 thumbnail say nothing
SAMPLED = 128  # rows and columns of a 16-bit picture that its range is taken from
UNSEEN = 0.001  # share of pixels beyond each end of that range
LEAST_RANGE, MOST_RANGE = 64, 32_768  # levels of 65,536: of one colour below, and all bits in use above
MODES = {1: "grey", 3: "rgb", 4: "rgba"}

Recall = Callable[[str], ImageStatistics | None]


def image_statistics(path: Path | str, recall: Recall | None = None) -> ImageStatistics:
    """`images_statistics` of one file."""
    return images_statistics([path], recall)[0]


def images_statistics(paths: Sequence[Path | str], recall: Recall | None = None) -> list[ImageStatistics]:
    """Hash, header, statistics and thumbnail of each file; `problem` says why one cannot be read or judged.

    A file's pixels are let go before the next is decoded; what was taken of them is then measured together, which
    takes a third of the time.

    Args:
        recall: called with the sha256; what it returns, thumbnail included, is taken instead of decoding again.
    """
    read = [_read(path, recall) for path in paths]
    sampled = [(statistics, sample) for statistics, sample in read if sample is not None]
    samples = [sample for _, sample in sampled]
    pixels = measured_pixels(samples)
    marks = measured_marks(samples, pixels)
    for (statistics, sample), measured, marked in zip(sampled, pixels, marks, strict=True):
        statistics.pixels, statistics.marks, statistics.thumbnail = measured, marked, sample.thumbnail
    return [statistics for statistics, _ in read]


def pair_statistics(x: ImageStatistics, y: ImageStatistics) -> PairStatistics | None:
    """How alike two pictures are, by what `image_statistics` kept of them; None if one could not be read."""
    if x.pixels is None or y.pixels is None:
        return None
    return PairStatistics(
        thumbnail_difference=cv2.norm(x.thumbnail, y.thumbnail, cv2.NORM_L1) / x.thumbnail.size,
        dhash_bits=(int(x.pixels.dhash, 16) ^ int(y.pixels.dhash, 16)).bit_count(),
        **compare(sketch(x.thumbnail), sketch(y.thumbnail))._asdict(),
        foreign_colours=foreign_share(x.thumbnail, y.thumbnail),
        tints_x=tints(x.thumbnail),
        tints_y=tints(y.thumbnail),
    )


# --- one file ---


def _read(path: Path | str, recall: Recall | None) -> tuple[ImageStatistics, Sample | None]:
    """All but what the sample of its pixels, where there is one, will tell."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  a Path costs more than the read
            data = file.read()
    except FileNotFoundError:
        return ImageStatistics(problem="missing"), None
    except OSError as error:
        return ImageStatistics(problem=f"cannot be read: {error.strerror}"), None
    sha256 = hashlib.sha256(data).hexdigest()
    statistics, sample = recall(sha256) if recall else None, None
    if statistics is None:
        with alone_if_large(data):
            statistics, sample = _decoded(decode(data), sha256, len(data))
    wrong = _wrong_suffix(path, statistics.format)
    if statistics.wrong_suffix != wrong:
        statistics = statistics.model_copy(update={"wrong_suffix": wrong})
    return statistics, sample


def _wrong_suffix(path: Path | str, content: str) -> bool:
    named = SUFFIXES.get(os.path.splitext(path)[1].lower())  # noqa: PTH122  as above
    return bool(named and content and named != content)


def _decoded(decoded: Decoded, sha256: str, file_bytes: int) -> tuple[ImageStatistics, Sample | None]:
    header, picture, problem = decoded.header, decoded.picture, decoded.problem
    if header is None:
        return ImageStatistics(sha256=sha256, file_bytes=file_bytes, problem=problem), None
    facts: dict[str, Any] = {
        "sha256": sha256,
        "file_bytes": file_bytes,
        "format": header.format,
        "width": header.width,
        "height": header.height,
        "palette": header.palette,
        "frames": header.frames,
        "orientation": header.orientation,
    }
    if picture is None:
        return ImageStatistics(problem=problem, **facts), None
    height, width = picture.shape[:2]
    facts["mode"] = _mode(picture, header)
    facts["bytes_per_sample"] = file_bytes / (height * width * header.samples)
    if picture.dtype.kind == "f":
        facts |= _float_facts(picture)
    elif picture.dtype == np.uint16:
        facts["bits_used"] = int(picture.max()).bit_length()
    if picture.ndim == 3 and picture.shape[2] == 4 and picture.dtype.kind in "uf":
        facts |= _alpha_facts(picture)
    if min(height, width) < SMALLEST_SIDE:
        problem = f"{width}×{height} pixels; too small to judge below {SMALLEST_SIDE}"
    elif facts.get("not_finite_share"):
        problem = "holds NaN or Inf"
    else:
        bgr, problem = _as_bgr8(picture)
    if problem:
        return ImageStatistics(problem=problem, **facts), None
    facts["grey_in_rgb"] = picture.ndim == 3 and _all_grey(bgr)
    return ImageStatistics(**facts), take_sample(bgr)


def _mode(picture: np.ndarray, header: Header) -> str:
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    name = "cmyk" if header.cmyk else MODES.get(channels, f"{channels}-channel")
    return f"{name}{'f' if picture.dtype.kind == 'f' else ''}{picture.dtype.itemsize * 8}"


def _float_facts(picture: np.ndarray) -> dict[str, Any]:
    finite = np.isfinite(picture)
    inside = (picture >= 0) & (picture <= 1)
    return {
        "not_finite_share": 1 - float(np.count_nonzero(finite)) / picture.size,
        "outside_unit_share": float(np.count_nonzero(finite & ~inside)) / picture.size,
    }


def _alpha_facts(picture: np.ndarray) -> dict[str, Any]:
    opaque = 1 if picture.dtype.kind == "f" else np.iinfo(picture.dtype).max
    alpha = picture[..., 3]
    return {
        "alpha": True,
        "not_opaque_share": float(np.count_nonzero(alpha < opaque)) / alpha.size,
        "invisible_share": 1 - float(np.count_nonzero(alpha)) / alpha.size,
    }


def _as_bgr8(picture: np.ndarray) -> tuple[np.ndarray, str]:
    """What a loader would show: 16 bits by the range that is used, alpha dropped, grey repeated, floats as 0-1; or why
    not.
    """
    if picture.dtype == np.uint16:
        picture = _used_range(picture)
    elif picture.dtype.kind == "f":
        picture = (picture.clip(0, 1) * 255).round().astype(np.uint8)
    if picture.dtype != np.uint8:
        return picture, f"samples are {picture.dtype}, not 8 or 16 bits"
    if picture.ndim == 2 or picture.shape[2] == 1:
        return cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), ""
    if picture.shape[2] == 4:
        return cv2.cvtColor(picture, cv2.COLOR_BGRA2BGR), ""
    return picture, "" if picture.shape[2] == 3 else f"{picture.shape[2]} channels"


def _used_range(picture: np.ndarray) -> np.ndarray:
    """16 bits to 8, from the darkest to the brightest level that a thousandth of the picture goes beyond.

    Scanners leave bits unused, on top (12 bits in 16) or below (an offset of 32768); what is nearly of one level is
    scaled as if all bits were used.
    """
    colours = picture[..., :3] if picture.ndim == 3 else picture
    few = np.sort(colours[:: max(len(colours) // SAMPLED, 1), :: max(colours.shape[1] // SAMPLED, 1)], axis=None)
    low, high = (int(few[min(int(share * few.size), few.size - 1)]) for share in (UNSEEN, 1 - UNSEEN))
    if not LEAST_RANGE <= high - low < MOST_RANGE:
        low, high = 0, 65535
    scaled = cv2.convertScaleAbs(cv2.subtract(colours, np.full_like(colours, low)), alpha=255 / (high - low))
    if picture.ndim == 3 and picture.shape[2] == 4:
        return np.dstack([scaled, cv2.convertScaleAbs(picture[..., 3], alpha=1 / 257)])
    return scaled


def _all_grey(bgr: np.ndarray) -> bool:
    blue, green, red = bgr[len(bgr) // 2, bgr.shape[1] // 2].tolist()
    if not blue == green == red:  # true of nearly every colour picture, and free
        return False
    blues, greens, reds = cv2.split(bgr)
    return bool(np.array_equal(blues, greens) and np.array_equal(greens, reds))
