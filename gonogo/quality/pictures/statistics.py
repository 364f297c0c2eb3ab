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
from gonogo.quality.pictures.measurements import ImageStatistics, PairStatistics
from gonogo.quality.pictures.palette import foreign_share, tints
from gonogo.quality.pictures.pixels import measured_pixels
from gonogo.quality.pictures.sample import Sample, take_sample

SMALLEST_SIDE = 16  # pixels; below, lag 8 and the 32×32 thumbnail say nothing
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
    pixels = measured_pixels([sample for _, sample in sampled])
    for (statistics, sample), measured in zip(sampled, pixels, strict=True):
        statistics.pixels, statistics.thumbnail = measured, sample.thumbnail
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
    return {"alpha": True, "not_opaque_share": float(np.count_nonzero(alpha < opaque)) / alpha.size}


def _as_bgr8(picture: np.ndarray) -> tuple[np.ndarray, str]:
    """What a loader would show: 16 bits scaled to 8, alpha dropped, grey repeated, floats taken as 0-1; or why not."""
    if picture.dtype == np.uint16:
        picture = cv2.convertScaleAbs(picture, alpha=1 / 257)
    elif picture.dtype.kind == "f":
        picture = (picture.clip(0, 1) * 255).round().astype(np.uint8)
    if picture.dtype != np.uint8:
        return picture, f"samples are {picture.dtype}, not 8 or 16 bits"
    if picture.ndim == 2 or picture.shape[2] == 1:
        return cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), ""
    if picture.shape[2] == 4:
        return cv2.cvtColor(picture, cv2.COLOR_BGRA2BGR), ""
    return picture, "" if picture.shape[2] == 3 else f"{picture.shape[2]} channels"


def _all_grey(bgr: np.ndarray) -> bool:
    blue, green, red = bgr[len(bgr) // 2, bgr.shape[1] // 2].tolist()
    if not blue == green == red:  # true of nearly every colour picture, and free
        return False
    blues, greens, reds = cv2.split(bgr)
    return bool(np.array_equal(blues, greens) and np.array_equal(greens, reds))
