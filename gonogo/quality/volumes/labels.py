"""Label volumes beside the images that they are of: which belongs to which, and whether they lie in one place."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pydantic import Field

from gonogo.base.models import ClosedModel
from gonogo.quality.arrays import NUMPY_SUFFIXES

IMAGES = re.compile(r"(?:images?|imgs?|scans?|volumes?|raw)[-_]?(tr|ts|train|val|test)?", re.IGNORECASE)
LABELS = re.compile(
    r"(?:labels?|masks?|segs?|segmentations?|annotations?|gt)[-_]?(tr|ts|train|val|test)?", re.IGNORECASE
)
LABEL_STEM = re.compile(r"(.+?)[-_.](?:seg|labels?|mask|segmentation|gt)", re.IGNORECASE)
CHANNEL = re.compile(r"(.+)_\d{4}")  # of nnU-Net: case_0000.nii.gz
MOST_VALUES = 256  # more are no labels
SAME_PLACE = 0.1  # of the least voxel side: nearer is rounding


class LabelVolume(ClosedModel):
    """What is measured of the label beside its image."""

    name: str = Field(description="from the data folder")
    shape: list[int] = Field(default_factory=list)
    values: list[int] = Field(default_factory=list, description="whole numbers that occur, at most 256")
    fractional_share: float = Field(default=0, description="of voxels that are no whole number")
    shift_mm: float | None = Field(default=None, description="of corners, label against image; null: no header")
    axes: str = Field(default="", description="where its axes point to")
    voxel_mm: float = Field(default=0, description="least side of the image's voxels")


def case_of(name: str) -> tuple[str, str]:
    """The folder and the case that an image is of: `imagesTr/liver_3_0000.nii.gz` is of `liver_3`."""
    path = PurePosixPath(name)
    stem = _stem(path)
    channel = CHANNEL.fullmatch(stem)
    return str(path.parent), channel[1] if channel else stem


def paired(names: Sequence[str]) -> dict[str, str]:
    """Label by the image that it is of: of `imagesTr` beside `labelsTr`, or of `x.nii` beside `x_seg.nii`.

    Of a case with several channels, the first has the label.
    """
    by_case: dict[tuple[str, str], str] = {}
    by_folder: defaultdict[str, list[str]] = defaultdict(list)
    labels = [name for name in names if _label_key(name)]
    for name in sorted(set(names) - set(labels)):
        folder, case = case_of(name)
        by_case.setdefault((_place(folder, IMAGES), case), name)
        by_case.setdefault((_place(folder, IMAGES), _stem(PurePosixPath(name))), name)
        by_folder[folder].append(name)
    pairs: dict[str, str] = {}
    for label in labels:
        place, case = _label_key(label) or ("", "")
        image = by_case.get((place, case)) or next(
            (name for name in by_folder[place] if _stem(PurePosixPath(name)).startswith((f"{case}_", f"{case}-"))), ""
        )
        if image:
            pairs.setdefault(image, label)
    return pairs


def measured_label(image: Path, label: Path, name: str) -> LabelVolume:
    """
    Raises:
        Exception: the label cannot be read, as `open_volume` raises it.
    """
    from gonogo.quality.volumes.files import open_volume

    found: Counter[int] = Counter()
    fractional = voxels = 0
    with open_volume(label) as volume:
        for stored in volume.slices:
            values = stored * volume.slope + volume.inter if volume.slope != 1 or volume.inter else stored
            whole = np.rint(np.nan_to_num(values.astype(np.float32)))
            fractional += int((np.abs(values - whole) > 1e-3).sum())
            voxels += values.size
            if len(found) <= MOST_VALUES:
                found.update(_distinct(whole))
        shape, axes = list(volume.shape), str(volume.geometry.get("axes", ""))
    return LabelVolume(
        name=name, shape=shape, axes=axes, values=sorted(found)[:MOST_VALUES],
        fractional_share=fractional / max(voxels, 1), **_shift(image, label, shape),
    )  # fmt: skip


def _distinct(whole: np.ndarray) -> list[int]:
    low, high = int(whole.min()), int(whole.max())
    if high - low < 1 << 16:  # counted, which takes a tenth of the time of sorting
        return [low + int(at) for at in np.flatnonzero(np.bincount((whole - low).astype(np.int32).ravel()))]
    return [int(value) for value in np.unique(whole)]


def _shift(image: Path, label: Path, shape: Sequence[int]) -> dict[str, Any]:
    """How far the label's corners lie from the image's."""
    if {image.suffix.lower(), label.suffix.lower()} & set(NUMPY_SUFFIXES):
        return {}
    import nibabel

    images: list[Any] = [nibabel.load(path) for path in (image, label)]
    one, other = (np.asarray(found.affine, dtype=np.float64) for found in images)
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        return {}
    corners = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    corners[:, :3] *= np.maximum([*shape, 1, 1, 1][:3], 1)
    apart = np.linalg.norm(corners @ (one - other).T, axis=1).max()
    return {"shift_mm": float(apart), "voxel_mm": float(np.linalg.norm(one[:3, :3], axis=0).min())}


def _label_key(name: str) -> tuple[str, str] | None:
    """Where the image of a label lies, and its case; None for what is no label."""
    path = PurePosixPath(name)
    stem = _stem(path)
    if any(LABELS.fullmatch(part) for part in path.parts[:-1]):
        own = LABEL_STEM.fullmatch(stem)
        return _place(str(path.parent), LABELS), own[1] if own else stem
    own = LABEL_STEM.fullmatch(stem)
    return (_place(str(path.parent), IMAGES), own[1]) if own else None


def _place(folder: str, pattern: re.Pattern[str]) -> str:
    """The same for `imagesTr` and `labelsTr`."""
    parts = []
    for part in PurePosixPath(folder).parts:
        found = pattern.fullmatch(part)
        parts.append(f"*{(found[1] or '').lower()}" if found else part)
    return "/".join(parts)


def _stem(path: PurePosixPath) -> str:
    return path.name.removesuffix(".gz").rsplit(".", maxsplit=1)[0]
