"""Volumes that are good, how they are saved, and how a folder of them is judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np

from gonogo.config.quality_thresholds import QualityGate, VolumesGate
from gonogo.quality.items import Finding
from gonogo.quality.judge import judge
from gonogo.quality.judgement import Judgement
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.volumes.inspector import Volumes
from gonogo.verdict import Check

SHAPE = (48, 40, 32)
SPACING = (0.8, 0.8, 1.5)


def ct(seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """A cylinder of tissue in air, int16 HU."""
    rng = np.random.default_rng(seed)
    x, y = np.mgrid[: shape[0], : shape[1]]
    body = ((x / shape[0] - 0.5) ** 2 + (y / shape[1] - 0.5) ** 2 < 0.36**2)[:, :, None]
    return np.where(body, rng.normal(40, 30, shape), rng.normal(-1000, 12, shape)).round().astype(np.int16)


def affine(spacing: tuple[float, ...] = SPACING) -> np.ndarray:
    return np.diag([*spacing, 1.0])


def save(path: Path, voxels: np.ndarray, spacing: tuple[float, ...] = SPACING) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(voxels, affine(spacing))
    image.set_qform(affine(spacing), 1)
    image.set_sform(affine(spacing), 1)
    nibabel.save(image, path)


def raw(path: Path, at: int, values: bytes) -> None:
    """Overwrite bytes of a file in place."""
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(values)


class Judged:
    def __init__(self, folder: Path, **keys: object) -> None:
        out = folder.parent / "measured"
        self.part = measure_part("volumes", folder, out)
        self.findings: dict[str, Finding] = {}
        gate = QualityGate(volumes=VolumesGate.model_validate(keys))
        self.judgement: Judgement = judge(MeasuredSet.read(out), gate, each=self.keep)

    def keep(self, finding: Finding) -> None:
        self.findings[finding.name] = finding

    def check(self, id_: str) -> Check:
        return next(check for check in self.judgement.checks if check.id == id_)

    def told(self, name: str) -> dict[str, str]:
        return {fault.id: fault.reason for fault in self.findings[name].faults}

    def asked_in(self, fault: str) -> set[str]:
        """Checks in which a fault counts."""
        questions = Volumes().fault_groups(QualityGate(volumes=VolumesGate(patch=(8, 8, 8))))
        return {question.id for question in questions if fault in question.faults}


def values(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    return lambda path: save(path, change(ct(9)))
