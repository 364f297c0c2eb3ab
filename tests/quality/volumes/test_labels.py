"""Label volumes as pairs with their images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from gonogo.quality.volumes.labels import paired
from gonogo.verdict import Status

from .scans import Judged, affine, ct, save

CASES = 6


def label(seed: int) -> np.ndarray:
    found = (ct(seed) > -200).astype(np.uint8)
    found[20:28, 16:22] *= 2
    return found


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    for case in range(CASES):
        save(tmp_path / f"data/imagesTr/liver_{case}_0000.nii.gz", ct(case))
        save(tmp_path / f"data/labelsTr/liver_{case}.nii.gz", label(case))
    return tmp_path / "data"


def place(path: Path, voxels: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> None:
    nibabel.save(nibabel.Nifti1Image(voxels, change(affine())), path)


def shifted(by_mm: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(matrix: np.ndarray) -> np.ndarray:
        matrix[1, 3] += by_mm
        return matrix

    return change


def flipped(matrix: np.ndarray) -> np.ndarray:
    return matrix @ np.diag([1, -1, 1, 1])


def test_images_and_labels_are_pairs(pairs: Path) -> None:
    judged = Judged(pairs)
    assert judged.judgement.status is Status.GO, judged.judgement.checks
    assert (judged.judgement.items, judged.judgement.covered) == (CASES, f"{2 * CASES} of {2 * CASES} files judged")
    assert judged.check("label_values").why == "of 6 labelled cases: 0 in 6, 1 in 6, 2 in 6"
    place(pairs / "labelsTr/liver_0.nii.gz", label(0), shifted(1e-6))
    assert Judged(pairs).judgement.status is Status.GO


@pytest.mark.parametrize(
    ("write", "fault", "reason", "bad"),
    [
        (lambda path: save(path, label(0)[..., :-1]), "label_shape", "label of 48×40×31 voxels", True),
        (lambda path: place(path, label(0), shifted(20)), "label_place", "label 20 mm beside its image", False),
        (lambda path: place(path, label(0), flipped), "label_place", "label's axes RPS, image's RAS", False),
        (lambda path: save(path, label(0) * np.float32(0.37)), "label_values", "between whole numbers", True),
        (lambda path: save(path, ct(0)), "label_values", "256 or more values in the label", True),
        (lambda path: save(path, label(0) * 0), "label_empty", "the label is 0 throughout", False),
        (lambda path: path.unlink(), "no_label", "no label, and most of its folder have one", True),
        (lambda path: path.write_bytes(b"no"), "unreadable", "label cannot be read", True),
    ],
)
def test_a_label_that_does_not_match_is_told(
    pairs: Path, write: Callable[[Path], None], fault: str, reason: str, bad: bool
) -> None:
    write(pairs / "labelsTr/liver_0.nii.gz")
    judged = Judged(pairs)
    assert reason in judged.told("imagesTr/liver_0_0000.nii.gz").get(fault, ""), judged.findings
    assert judged.judgement.bad == int(bad)
    assert judged.judgement.status is Status.CAUTION
    assert sum(bool(finding.faults) for finding in judged.findings.values()) == 1


def test_labels_that_all_lie_elsewhere_are_a_caution_and_of_another_shape_a_no_go(pairs: Path) -> None:
    for case in range(CASES):
        place(pairs / f"labelsTr/liver_{case}.nii.gz", label(case), shifted(20))
    assert Judged(pairs).check("labels").status is Status.CAUTION
    for case in range(CASES):
        save(pairs / f"labelsTr/liver_{case}.nii.gz", label(case)[:-2])
    assert Judged(pairs).check("labels").status is Status.NO_GO


def test_names_of_pairs() -> None:
    assert paired(["a/x.nii", "a/x_seg.nii", "a/y.nii"]) == {"a/x.nii": "a/x_seg.nii"}
    brats = ["b/BraTS_1_flair.nii.gz", "b/BraTS_1_t1.nii.gz", "b/BraTS_1_seg.nii.gz"]
    assert paired(brats) == {brats[0]: brats[2]}
    assert paired(["images/train/a.nii", "labels/train/a.nii"]) == {"images/train/a.nii": "labels/train/a.nii"}
    two = ["imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz", "labelsTr/a.nii.gz"]
    assert paired(two) == {two[0]: two[2]}
    assert paired(["labels/a.nii", "labels/b.nii"]) == {}
