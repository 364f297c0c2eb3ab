"""Each fault of volumes in a file that really has it, and none in good ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from gonogo.config.quality_thresholds import QualityGate, VolumesGate
from gonogo.quality.volumes.inspector import Volumes
from gonogo.verdict import Status

from .scans import SHAPE, SPACING, Judged, affine, ct, raw, save, values


def test_good_volumes_pass(folder: Path) -> None:
    judged = Judged(folder, patch=(24, 24, 16), stride=(12, 8, 8))
    assert {name: finding.faults for name, finding in judged.findings.items() if finding.faults} == {}
    assert judged.judgement.status is Status.GO, judged.judgement.checks
    assert judged.judgement.cause == ""


def nan(v: np.ndarray) -> np.ndarray:
    v = v.astype(np.float32)
    v[3:5, 3, 3] = np.nan
    return v


def emptied(v: np.ndarray, slices: slice) -> np.ndarray:
    v[:, :, slices] = 0
    return v


def repeated(v: np.ndarray) -> np.ndarray:
    v[:, :, 1::2] = v[:, :, ::2]
    return v


def with_metal(v: np.ndarray) -> np.ndarray:
    v[20:24, 20:24] = 9000
    return v


def clipped_to_type(v: np.ndarray) -> np.ndarray:
    return np.clip(v, -128, 127).astype(np.int8)


def forms(path: Path) -> None:
    image = nibabel.Nifti1Image(ct(9), affine())
    image.set_sform(affine(), 1)
    moved = affine()
    moved[0, 3] = 25
    image.set_qform(moved, 1)
    nibabel.save(image, path)


def pixdim(path: Path) -> None:
    save(path, ct(9))
    raw(path, 76 + 4, np.float32([0.0]).tobytes())  # pixdim[1] of the header


def singular(path: Path) -> None:
    save(path, ct(9))
    raw(path, 280, np.zeros(12, np.float32).tobytes())  # the sform's rows


def lost_spacing(path: Path) -> None:
    save(path, ct(9), (1.0, 1.0, 1.0))


def turned(path: Path) -> None:
    image = nibabel.Nifti1Image(ct(9), affine() * [[1], [-1], [1], [1]])
    nibabel.save(image, path)


def unset(path: Path) -> None:
    image = nibabel.Nifti1Image(ct(9), None)
    image.header.set_zooms(SPACING)
    nibabel.save(image, path)


def cone(seed: int = 0) -> np.ndarray:
    """As `ct`, but narrower from slice to slice: its slices have an order."""
    x, y, z = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    wide = 0.45 - 0.2 * z / SHAPE[2]
    inside = (x / SHAPE[0] - 0.5) ** 2 + (y / SHAPE[1] - 0.5) ** 2 < wide**2
    noise = np.random.default_rng(seed).normal(0, 30, SHAPE)
    return (np.where(inside, 40, -1000) + noise).round().astype(np.int16)


def shuffled(voxels: np.ndarray) -> np.ndarray:
    return cone(9)[..., np.random.default_rng(0).permutation(voxels.shape[2])]


def gap(path: Path) -> None:
    """A set of long cones, of one of which slices are missing."""
    for good in path.parent.glob("good_*"):
        good.unlink()
    for number in range(5):
        save(path.parent / f"cone_{number}.nii", long_cone(number))
    save(path, np.delete(long_cone(9), slice(30, 42), axis=2))


def long_cone(seed: int) -> np.ndarray:
    x, y, z = np.mgrid[:48, :40, :64]
    inside = (x / 48 - 0.5) ** 2 + (y / 40 - 0.5) ** 2 < (0.45 - 0.3 * z / 64) ** 2
    return (np.where(inside, 40, -1000) + np.random.default_rng(seed).normal(0, 10, inside.shape)).astype(np.int16)


def fine(path: Path) -> None:
    for number, good in enumerate(sorted(path.parent.glob("good_*"))):
        save(good, ct(number), (0.25, 0.25, 1.5))
    save(path, ct(9), (0.21, 0.21, 1.5))


FAULTS: list[tuple[str, str, Callable[[Path], None]]] = [
    ("nonfinite", "of voxels NaN", values(nan)),
    ("overflow", "at the end of int8", values(clipped_to_type)),
    ("hu", "air at 16, tissue at 1072: the rescale intercept is lost", values(lambda v: np.maximum(v + 1024, 0))),
    ("hu", "squeezed into 0 to 1", values(lambda v: ((v + 1100) / 1400).clip(0, 1).astype(np.float32))),
    ("hu", "squeezed into -1 to 1", values(lambda v: ((v + 400) / 700).clip(-1, 1).astype(np.float32))),
    ("hu", "squeezed into 0 to 255", values(lambda v: ((v + 1100) / 6).clip(0, 255).astype(np.uint8))),
    ("hu", "clipped to a window", values(lambda v: v.clip(-160, 240))),
    ("hu", "negatives wrapped around", values(lambda v: v.astype(np.uint16))),
    ("hu", "slope or intercept is lost", values(lambda v: (v + 1100) * 25)),
    ("hu", "most tissue at", values(lambda v: v * 20)),
    ("range", "9000 HU, 3.12 % outside", values(lambda v: np.where(np.indices(v.shape)[2:] == 0, 9000, v)[0])),
    ("range", "9000 HU", values(with_metal)),
    ("air", "2.5 % air", values(lambda v: np.where((v < -500) & (np.indices(v.shape)[1] > 0), v % 90, v))),
    ("air", "94 % air", values(lambda v: np.where(np.indices(v.shape)[2] > 4, -1000 + v % 7, v))),
    ("constant", "every voxel is 0", values(np.zeros_like)),
    ("constant", "16 of 32 slices empty at the ends", values(lambda v: emptied(v, slice(16, None)))),
    ("hollow", "2 of 32 slices empty between", values(lambda v: emptied(v, slice(10, 12)))),
    ("gap", "times as much as those around do: slices missing?", gap),
    ("turned", "40×48×32 voxels: the set's axes in another order", values(lambda v: v.swapaxes(0, 1))),
    ("odd_spacing", "0.21×0.21×1.5 mm: unusual for CT", fine),
    ("repeated", "16 of 32 slices equal the one before", values(repeated)),
    ("disorder", "slices out of order", values(shuffled)),
    ("dimensions", "4-D: 48×40×32×2", values(lambda v: np.stack([v, v], axis=3))),
    ("dimensions", "4-D: 48×40×32×1", values(lambda v: v[..., None])),
    ("dimensions", "2-D: 48×40", values(lambda v: v[:, :, 0])),
    ("tiny", "an axis under 16", values(lambda v: v[:, :, :8])),
    ("tiny", "48×1×32 voxels, an axis under 16", values(lambda v: v[:, :1])),
    ("odd_shape", "48×40×99 voxels; the set's median 32×40×48", lambda path: save(path, ct(9, (48, 40, 99)))),
    ("axes", "axes RPS; the set's are RAS", turned),
    ("not_oriented", "code 0", unset),
    ("affine", "not invertible", singular),
    ("forms", "disagree by 25.0 mm", forms),
    ("pixdim", "voxel size in the header is 0×0.8×1.5", pixdim),
    ("spacing", "lost: 1 × 1 × 1 mm and an identity affine", lost_spacing),
    ("spacing", "0.8×0.8×5 mm; the set's median 0.8×0.8×1.5", lambda path: save(path, ct(9), (0.8, 0.8, 5))),
]
WARNINGS = {"odd_shape", "not_oriented", "gap", "odd_spacing"}


@pytest.mark.parametrize(("fault", "reason", "write"), FAULTS, ids=[f"{f}-{r}" for f, r, _ in FAULTS])
def test_a_fault_is_found_and_told(folder: Path, fault: str, reason: str, write: Callable[[Path], None]) -> None:
    write(folder / "odd.nii")
    judged = Judged(folder)
    assert reason in judged.told("odd.nii").get(fault, ""), judged.findings["odd.nii"].faults
    (question,) = judged.asked_in(fault)
    check = judged.check(question)
    assert check.status is Status.CAUTION
    assert reason in check.why
    warns = fault in WARNINGS or reason.endswith("×1")
    assert judged.findings["odd.nii"].bad is not warns
    assert [name for name, finding in judged.findings.items() if finding.faults] == ["odd.nii"]
    assert judged.judgement.bad == (0 if warns else 1)


def test_slices_in_their_order_are_told_from_shuffled_ones_through_noise(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / f"data/v_{number}.nii.gz", cone(number))
    assert [finding.faults for finding in Judged(tmp_path / "data").findings.values()] == [[]] * 4


def test_voxel_sizes_are_compared_by_the_body_and_not_by_the_file(folder: Path) -> None:
    save(folder / "other.nii", ct(9), (0.8, 0.8, 1.5))
    image = nibabel.load(folder / "other.nii")
    turned = image.as_reoriented(nibabel.orientations.axcodes2ornt("SAR"))
    nibabel.save(turned, folder / "other.nii.gz")
    (folder / "other.nii").unlink()
    assert set(Judged(folder).told("other.nii.gz")) == {"axes"}


def test_every_fault_belongs_to_a_check(folder: Path) -> None:
    questions = Volumes().fault_groups(QualityGate(volumes=VolumesGate(patch=(8, 8, 8))))
    asked = frozenset().union(*(question.faults for question in questions))
    labels = {"no_label", "label_shape", "label_place", "label_values", "label_empty"}  # test_labels
    series = {"doubled", "mixed"}  # test_dicom
    proven = {fault for fault, _, _ in FAULTS} | {"air_patches", "small_for_patch", "no_header"} | labels | series
    assert asked == proven


def test_a_whole_set_out_of_hounsfield_units_is_a_no_go(tmp_path: Path) -> None:
    for number in range(8):
        save(tmp_path / f"data/v_{number}.nii.gz", np.maximum(ct(number) + 1024, 0))
    judged = Judged(tmp_path / "data")
    assert judged.check("hounsfield").status is Status.NO_GO
    assert judged.judgement.status is Status.NO_GO
    assert judged.judgement.cause == "DATA"


def test_other_modalities_are_not_held_against_hounsfield_units(tmp_path: Path) -> None:
    for number in range(5):
        save(tmp_path / f"data/mr_{number}.nii.gz", np.maximum(ct(number) + 1024, 0))
    assert Judged(tmp_path / "data", modality="any").judgement.status is Status.GO


def test_a_sparse_slice_at_the_end_and_one_empty_slice_of_many_are_good(tmp_path: Path) -> None:
    """As templates of brains have them: seven voxels, then an empty slice, then the head."""
    for number in range(4):
        voxels = np.abs(long_cone(number))[..., ::-1].copy()
        voxels[..., :2] = 0
        voxels[10:17, 20, 0] = 5
        save(tmp_path / f"data/v_{number}.nii.gz", voxels)
    judged = Judged(tmp_path / "data", modality="any")
    assert judged.judgement.status is Status.GO, judged.findings["v_0.nii.gz"].faults
    voxels[..., 30] = 0
    save(tmp_path / "data/v_3.nii.gz", voxels)
    judged = Judged(tmp_path / "data", modality="any")
    assert "1 of 64 slices empty between" in judged.told("v_3.nii.gz")["hollow"]
    assert (judged.check("slices").status, judged.judgement.bad) == (Status.CAUTION, 0)


def padded(seed: int, padding: float, spread: float = 0) -> np.ndarray:
    """What lies outside the scanner's field of view gets one value."""
    voxels = ct(seed).astype(np.float32)
    voxels[:6] = padding + spread * np.random.default_rng(seed).random(voxels[:6].shape)
    return voxels


def test_one_value_below_air_is_padding_and_many_are_not(tmp_path: Path) -> None:
    for name, spread in (("padded", 0.0), ("spread", 500.0)):
        for number in range(5):
            save(tmp_path / f"{name}/v_{number}.nii.gz", padded(number, -3024, spread))
    assert Judged(tmp_path / "padded").check("hounsfield").status is Status.CAUTION
    assert Judged(tmp_path / "spread").check("hounsfield").status is Status.NO_GO


def test_volumes_over_time_are_a_warning_where_their_names_say_so(tmp_path: Path) -> None:
    for number in range(5):
        voxels = np.stack([mr(number), mr(number)], axis=3)
        save(tmp_path / f"bold/sub-{number}_task-rest_bold.nii.gz", voxels)
        save(tmp_path / f"other/sub-{number}_T1w.nii.gz", voxels)
    assert Judged(tmp_path / "bold").check("shape").status is Status.CAUTION
    assert Judged(tmp_path / "other").check("shape").status is Status.NO_GO


def mr(seed: int = 0) -> np.ndarray:
    """A cylinder of tissue in nothing, uint16, of no unit."""
    return np.where(ct(seed) > -500, ct(seed) * 2 + 400, 5).clip(0).astype(np.uint16)


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("sub-{}/anat/sub-{}_T1w.nii.gz", None),
        ("sub-{}/func/sub-{}_task-rest_bold.nii.gz", None),
        ("imagesTr/BRATS_{}{}_0000.nii.gz", {"channel_names": {"0": "MRI"}}),
        ("imagesTr/BRATS_{}{}.nii.gz", {"modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd"}}),
    ],
)
def test_mr_by_names_or_dataset_json_is_no_ct_unless_the_config_says_so(
    tmp_path: Path, name: str, listed: dict[str, object] | None
) -> None:
    for number in range(5):
        save(tmp_path / "data" / name.format(number, number), mr(number))
    if listed:
        (tmp_path / "data/dataset.json").write_text(json.dumps(listed))
    judged = Judged(tmp_path / "data")
    assert judged.judgement.status is Status.GO
    assert "not as CT" in judged.judgement.covered
    assert judged.check("modality").value == "any"
    assert Judged(tmp_path / "data", modality="ct").check("hounsfield").status is Status.NO_GO


def test_values_of_no_ct_are_told_apart_and_the_modality_is_asked_for(tmp_path: Path) -> None:
    for number in range(8):
        save(tmp_path / f"data/v_{number}.nii.gz", mr(number))
    judged = Judged(tmp_path / "data")
    assert (judged.judgement.status, judged.check("modality").status) == (Status.CAUTION, Status.CAUTION)
    assert "modality: any" in judged.check("modality").hint
    (tmp_path / "data/dataset.json").write_text('{"channel_names": {"0": "CT"}}')
    assert Judged(tmp_path / "data").check("hounsfield").status is Status.NO_GO
