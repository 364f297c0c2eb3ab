"""DICOM series as volumes: which files make up one, in which order, and what is missing between them."""

from __future__ import annotations

import contextlib
import importlib.util
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from gonogo.base.errors import UserError
from gonogo.base.extras import install_line
from gonogo.quality.inspector import ItemFiles
from gonogo.quality.volumes.files import Volume

SUFFIXES = (".dcm", ".dicom", ".ima")
MAGIC, MAGIC_AT = b"DICM", 128
MOST_VOXELS = 1_000_000_000  # of one file, which is unpacked whole
GAP, SAME = 1.5, 0.01  # of the usual step between slices
TAGS = [
    "SeriesInstanceUID", "ImagePositionPatient", "ImageOrientationPatient", "Rows", "Columns", "PixelSpacing",
    "InstanceNumber", "PatientID",
]  # fmt: skip


@dataclass(frozen=True)
class Slice:
    """What one file says of itself."""

    path: Path
    position: float | None  # along the normal, mm
    number: int
    shape: tuple[int, int]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]
    corner: tuple[float, ...]
    patient: str


def is_dicom(folder: Path, name: str) -> bool:
    """By its suffix, or without one by its first bytes."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in SUFFIXES:
        return True
    if suffix and not suffix[1:].isdigit():
        return False
    with contextlib.suppress(OSError), Path(folder, name).open("rb") as stream:
        return stream.read(MAGIC_AT + len(MAGIC))[MAGIC_AT:] == MAGIC
    return False


def series(folder: Path, names: Sequence[str]) -> list[ItemFiles]:
    """An item for each series of each folder, named by its first file. Files that cannot be read are items alone.

    Raises:
        UserError: pydicom is not installed.
    """
    if importlib.util.find_spec("pydicom") is None:
        raise UserError(f"{SUFFIXES[0]} files need the package 'pydicom', not installed: {install_line('dicom')}")
    groups: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for name in names:
        try:
            uid = str(_header(folder / name).get("SeriesInstanceUID", ""))
        except Exception:  # whatever pydicom raises on damaged files; reading the item says what it is
            uid = name
        groups[str(PurePosixPath(name).parent), uid or name].append(name)
    return [ItemFiles(folder, sorted(files)[0], tuple(sorted(files))) for files in groups.values()]


@contextlib.contextmanager
def open_series(paths: Sequence[Path]) -> Iterator[tuple[Volume, dict[str, Any]]]:
    """The slices in the order in which they lie in the body, and what the files say of them.

    Raises:
        Exception: a file cannot be read, or they do not belong together.
    """
    slices = [_slice(path) for path in paths]
    sizes = Counter(one.shape for one in slices)
    if len(sizes) > 1:
        raise ValueError(f"slices of {len(sizes)} sizes in one series: {', '.join(map(str, sizes))}")
    ways = Counter(tuple(round(value, 2) for value in one.orientation) for one in slices)
    if len(ways) > 1:
        raise ValueError(f"slices of {len(ways)} orientations in one series: a localiser?")
    placed = all(one.position is not None for one in slices)
    slices.sort(key=lambda one: (one.position or 0.0) if placed else float(one.number))
    facts = _steps([float(one.position or 0.0) for one in slices]) if placed and len(slices) > 1 else {}
    first = slices[0]
    rows, columns = first.shape
    if first.patient:
        facts["group"] = first.patient
    geometry = _geometry(first, facts.pop("step_mm", 0.0))
    frames = (frame for one in slices for frame in pixels(one.path))
    yield Volume((columns, rows, len(slices)), np.dtype(np.float32), 2, frames, 1.0, 0.0, geometry), facts


def _header(path: Path) -> Any:
    import pydicom

    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=TAGS)


def _slice(path: Path) -> Slice:
    head = _header(path)
    corner = tuple(map(float, head.get("ImagePositionPatient", None) or ()))
    orientation = tuple(map(float, head.get("ImageOrientationPatient", None) or ()))
    position = None
    if len(corner) == 3 and len(orientation) == 6:
        position = float(np.dot(corner, np.cross(orientation[:3], orientation[3:])))
    if "Rows" not in head or "Columns" not in head:
        raise ValueError(f"{path.name}: no picture in it")
    return Slice(
        path, position, int(head.get("InstanceNumber", None) or 0), (int(head.Rows), int(head.Columns)),
        orientation, tuple(map(float, head.get("PixelSpacing", None) or ())), corner, str(head.get("PatientID", "")),
    )  # fmt: skip


def _steps(positions: list[float]) -> dict[str, Any]:
    """The usual step, how many slices are missing between others, and how many lie where another does."""
    steps = np.diff(positions)
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    if not usual:
        return {"doubled_slices": len(positions) - 1}
    missing = np.rint(steps[steps > GAP * usual] / usual) - 1
    return {
        "step_mm": usual,
        "missing_slices": int(missing.sum()),
        "doubled_slices": int((steps < SAME * usual).sum()),
    }


def pixels(path: Path) -> Iterator[np.ndarray]:
    """(x, y) values of each frame, rescaled."""
    import pydicom

    try:
        data = pydicom.dcmread(path)
        voxels = int(data.get("Rows", 0)) * int(data.get("Columns", 0)) * int(data.get("NumberOfFrames", 1) or 1)
        if voxels > MOST_VOXELS:
            raise ValueError(f"{voxels / 1e6:.0f} million voxels in one file: not opened above {MOST_VOXELS // 10**6}")
        stored = data.pixel_array
    except Exception as error:
        raise ValueError(f"{path.name}: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from None
    if stored.ndim == 3 and int(data.get("SamplesPerPixel", 1)) > 1:
        raise ValueError(f"{path.name}: a picture in colour, not a slice of values")
    slope, inter = float(data.get("RescaleSlope", 1) or 1), float(data.get("RescaleIntercept", 0) or 0)
    for frame in stored[None] if stored.ndim == 2 else stored:
        yield np.asfortranarray((frame.astype(np.float32) * slope + inter).T)


def _geometry(first: Slice, step_mm: float) -> dict[str, Any]:
    """Fields of VolumeItem, as nibabel names axes: right, front and up are positive (DICOM: left, back and up)."""
    if len(first.orientation) != 6 or len(first.spacing) != 2:
        return {"header": "dicom", "oriented": False}
    row, column = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    codes = ""
    for way in (row, column, np.cross(row, column)):
        axis = int(np.argmax(np.abs(way)))
        codes += ("LPS" if way[axis] > 0 else "RAI")[axis]
    voxel = [first.spacing[1], first.spacing[0], step_mm or 1.0]
    return {"header": "dicom", "oriented": True, "axes": codes, "voxel_mm": voxel}
