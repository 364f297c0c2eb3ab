"""The scans of `inputs`: NIfTI files without their labels, and DICOM series, each checked before any is converted."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.vqgan3d.scans import SUFFIXES, aligned, read_scan
from experiments.vqgan3d.settings import ScanSettings
from gonogo import UserError, Volumes, open_series, unusable

AXES = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}  # of RAS: which, and its sign


@dataclass(frozen=True)
class OwnScan:
    """One volume: a NIfTI file, or all files of a series.

    Attributes:
        name: of the item that it becomes, less its number.
    """

    name: str
    files: tuple[Path, ...]

    def read(self, settings: ScanSettings) -> tuple[np.ndarray, np.ndarray]:
        """As `read_scan` returns it.

        Raises:
            UserError: a file cannot be read.
        """
        if self.files[0].name.endswith(SUFFIXES):
            return read_scan(self.files[0], settings.spacing_mm)
        try:
            with open_series(self.files) as (series, _):
                voxels = np.stack(list(series.slices), axis=2)
                affine = _affine(series.geometry["axes"], series.geometry["voxel_mm"])
        except Exception as error:  # readers may raise any exception on damaged bytes
            raise UserError(f"{self.files[0].parent}: cannot be read as a volume ({_line(error)})") from None
        return aligned(voxels, affine, settings.spacing_mm)


def find_scans(folder: Path, settings: ScanSettings) -> list[OwnScan]:
    """The scans below a folder, by their paths; of DICOM all headers are read.

    Raises:
        UserError: there are none, or some cannot be used; names how many, why, and examples.
    """
    found, series = [], defaultdict[Path, list[tuple[Path, ...]]](list)
    for item in Volumes().scan(folder).items:
        files = tuple(folder / name for name in item.files)
        if files[0].name.endswith(SUFFIXES):
            found.append((files[0], OwnScan(files[0].name.split(".nii")[0], files[:1])))
        elif len(files) > 1 or not files[0].name.lower().endswith(Volumes.suffixes):
            series[files[0].parent].append(files)
    problems = defaultdict[str, list[str]](list)
    for parent, alike in series.items():
        name = parent.relative_to(folder).as_posix()
        if len(alike) > 1 and settings.dicom_series == "only":
            sizes = ", ".join(str(len(files)) for files in sorted(alike, key=len, reverse=True)[:3])
            reason = (
                f"{len(alike)} series mixed in one folder, of {sizes} files: set settings.scans.dicom_series: longest"
            )
            problems[reason].append(name)
            continue
        files = max(alike, key=len)
        try:
            found.append((files[0], OwnScan(_series_name(files, name), files)))
        except Exception as error:  # as above
            problems[_line(error)].append(name)
    if problems:
        raise unusable(folder, problems, len(found) + sum(map(len, problems.values())), "scans")
    if not found:
        raise UserError(f"inputs: {folder}: no scans ({', '.join(f'*{suffix}' for suffix in SUFFIXES)}, DICOM series)")
    return [scan for _, scan in sorted(found, key=lambda pair: pair[0])]


def _series_name(files: tuple[Path, ...], folder: str) -> str:
    """Names the patient, so that two scans of one are never on both sides of the split.

    Raises:
        ValueError: the series is no volume without gaps.
    """
    with open_series(files) as (series, facts):
        if len(files) == 1:
            raise ValueError("a single slice")
        for key, what in (("missing_slices", "missing"), ("doubled_slices", "twice")):
            if facts.get(key):
                raise ValueError(f"{facts[key]} slices {what}, of {len(files)}")
        if not series.geometry.get("axes"):
            raise ValueError("no orientation, so it is unknown how the slices lie in the body")
        patient = re.sub(r"[^a-zA-Z0-9]+", "", facts.get("group", ""))
    return f"sub-{patient}" if patient else re.sub(r"[^\w.-]+", "_", folder)


def _affine(axes: str, voxel_mm: list[float]) -> np.ndarray:
    """(4, 4) to RAS mm, with the first voxel at 0."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for column, (letter, size) in enumerate(zip(axes, voxel_mm, strict=True)):
        row, sign = AXES[letter]
        affine[row, column] = sign * size
    return affine


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
