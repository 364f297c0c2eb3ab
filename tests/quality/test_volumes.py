"""Volumes: each fault in a file that really has it, and none in good ones."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from gonogo.base.errors import UserError
from gonogo.config.quality_thresholds import QualityGate, VolumesGate
from gonogo.quality.items import Finding
from gonogo.quality.judge import judge
from gonogo.quality.judgement import Judgement
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.subjects import subject_of
from gonogo.quality.volumes.inspector import Volumes
from gonogo.quality.volumes.items import VolumeItem
from gonogo.quality.volumes.patches import patch_coverage
from gonogo.verdict import Check, Status

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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five good volumes; a test adds what is bad."""
    found = tmp_path / "data"
    for number in range(5):
        save(found / f"good_{number}.nii{'.gz' if number % 2 else ''}", ct(number))
    return found


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


def test_good_volumes_pass(folder: Path) -> None:
    judged = Judged(folder, patch=(24, 24, 16), stride=(12, 8, 8))
    assert {name: finding.faults for name, finding in judged.findings.items() if finding.faults} == {}
    assert judged.judgement.status is Status.GO, judged.judgement.checks
    assert judged.judgement.cause == ""


def values(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    return lambda path: save(path, change(ct(9)))


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
WARNINGS = {"odd_shape", "not_oriented"}


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
    proven = {fault for fault, _, _ in FAULTS} | {"air_patches", "small_for_patch", "no_header"}
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


def test_scaling_by_the_header_is_applied(folder: Path) -> None:
    image = nibabel.Nifti1Image(ct(9).astype(np.float32), affine())
    image.header.set_data_dtype(np.int16)
    image.set_qform(affine(), 1)
    image.set_sform(affine(), 1)
    nibabel.save(image, folder / "scaled.nii.gz")
    assert nibabel.load(folder / "scaled.nii.gz").dataobj.slope < 0.1
    assert Judged(folder).told("scaled.nii.gz") == {}


# --- files that cannot be read ---------------------------------------------------------------------------


def cut(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def cut_gz(path: Path) -> None:
    save(path, ct(9))
    cut(path, 0.6)


def cut_nii(path: Path) -> None:
    save(path, ct(9))
    cut(path, 0.6)


def flipped(path: Path) -> None:
    save(path, ct(9))
    raw(path, path.stat().st_size // 2, b"\xff\x00\xff\x00")


def wrong_checksum(path: Path) -> None:
    """The voxels unpack, and are not those that were packed."""
    save(path, ct(9))
    raw(path, path.stat().st_size - 8, b"\x00\x00\x00\x00")


def promises(path: Path) -> None:
    save(path, ct(9))
    raw(path, 40, np.int16([3, 32000, 32000, 32000]).tobytes())


def repacked_promise(path: Path) -> None:
    plain = path.with_suffix("")
    promises(plain)
    path.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()


def colours(path: Path) -> None:
    rgb = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(rgb, affine()), path)


def hdf5(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file["data"] = np.zeros(5)


UNREADABLE: list[tuple[str, str, Callable[[Path], None]]] = [
    ("cut.nii.gz", "", cut_gz),
    ("cut.nii", "cut off: the header promises 0.1 MB", cut_nii),
    ("flipped.nii.gz", "", flipped),
    ("checksum.nii.gz", "CRC", wrong_checksum),
    ("promises.nii", "cut off: the header promises 65536000.0 MB", promises),
    ("promises.nii.gz", "MB on disk", repacked_promise),
    ("colours.nii", "colours", colours),
    ("none.npy", "no voxels", lambda path: np.save(path, np.zeros((0, 5, 5)))),
    ("hdf5.nii.gz", "", hdf5),
    ("text.nii", "neither NIfTI nor MGZ inside", lambda path: path.write_text("no volume")),
    ("empty.nii.gz", "", lambda path: path.write_bytes(b"")),
    ("text.mgz", "", lambda path: path.write_text("no volume")),
    ("text.npy", "not a numpy array", lambda path: path.write_text("no array")),
    ("plane.npy", "among: (5, 5) float64", lambda path: np.save(path, np.zeros((5, 5)))),
    ("objects.npy", "", lambda path: np.save(path, np.array([{}, "a"], dtype=object), allow_pickle=True)),
    ("text.npz", "", lambda path: path.write_text("no archive")),
    ("planes.npz", "among: a (5, 5) float64", lambda path: np.savez(path, a=np.zeros((5, 5)))),
]


@pytest.mark.parametrize(("name", "reason", "write"), UNREADABLE, ids=[name for name, _, _ in UNREADABLE])
def test_what_cannot_be_read_is_told_and_the_scan_goes_on(
    folder: Path, name: str, reason: str, write: Callable[[Path], object]
) -> None:
    write(folder / name)
    judged = Judged(folder)
    assert judged.part.items == 6
    told = judged.told(name)
    assert list(told) == ["unreadable"]
    assert reason in told["unreadable"] and 5 < len(told["unreadable"]) < 200
    assert judged.check("unreadable").status is Status.CAUTION
    assert name in judged.check("unreadable").why
    assert judged.judgement.status is not Status.GO


def test_a_cut_numpy_file_is_unreadable(folder: Path) -> None:
    np.save(folder / "cut.npy", ct(9))
    cut(folder / "cut.npy", 0.7)
    assert list(Judged(folder).told("cut.npy")) == ["unreadable"]


def test_nothing_but_damaged_files_is_a_no_go(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number in range(3):
        (tmp_path / f"data/{number}.nii.gz").write_bytes(b"\x1f\x8b not gzip")
    judged = Judged(tmp_path / "data")
    assert judged.judgement.status is Status.NO_GO
    assert judged.judgement.cause == "UNREADABLE"


def test_an_empty_folder_says_what_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no volume here \(\.nii, .*It is empty"):
        measure_part("volumes", tmp_path, tmp_path.parent / "out")


# --- other formats, patches, groups, pictures ------------------------------------------------------------


def test_numpy_and_freesurfer_files_are_volumes_too(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data/c.npy", ct(1))
    np.save(tmp_path / "data/f.npy", np.asfortranarray(ct(2)))
    np.savez_compressed(tmp_path / "data/z.npz", mask=np.ones(9), volume=ct(3))
    nibabel.save(nibabel.MGHImage(ct(4), affine()), tmp_path / "data/m.mgz")
    judged = Judged(tmp_path / "data")
    told = {name: set(judged.told(name)) for name in judged.findings}
    assert told == {"c.npy": {"no_header"}, "f.npy": {"no_header"}, "z.npz": {"no_header"}, "m.mgz": set()}
    assert judged.judgement.bad == 0
    shares = [finding.item.air_share for finding in judged.findings.values() if isinstance(finding.item, VolumeItem)]
    assert max(shares) - min(shares) < 0.01


def test_patch_arithmetic_of_a_chest_ct() -> None:
    shape, patch, stride = (512, 512, 604), (256, 256, 128), (192, 192, 96)
    patches, share = patch_coverage(shape, patch, stride, tail_anchored=False)
    assert (patches, round(share, 3)) == (20, 0.649)
    assert patch_coverage(shape, patch, stride, tail_anchored=True) == (54, 1.0)
    assert patch_coverage((100, 512, 604), patch, stride, tail_anchored=True) == (0, 0.0)
    assert patch_coverage((40,), (10,), (20,), tail_anchored=False) == (2, 0.5)


def test_patches_that_leave_voxels_out_stop(folder: Path) -> None:
    plan = {"patch": (24, 24, 16), "stride": (24, 24, 12)}
    left_out = Judged(folder, **plan).check("patch_coverage")
    assert (left_out.status, left_out.value) == (Status.NO_GO, 52.5)
    assert Judged(folder, **plan, tail_anchored=True).check("patch_coverage").status is Status.GO


def test_a_volume_of_mostly_empty_patches_is_bad(folder: Path) -> None:
    small = np.full((96, 80, 32), -1000, np.int16) + ct(9, (96, 80, 32)) % 5
    small[:40, :40] = ct(9, (40, 40, 32))
    save(folder / "corner.nii", small)
    judged = Judged(folder, patch=(16, 16, 16), max_air_share=0.95)
    assert judged.told("corner.nii")["air_patches"] == "80 % of 60 patches are over 95 % air"
    dense = Judged(folder, patch=(16, 16, 16), stride=(8, 8, 8), max_air_share=0.95)
    assert "% of 297 patches" in dense.told("corner.nii")["air_patches"]
    assert Judged(folder, patch=(40, 40, 40)).told("corner.nii").keys() >= {"small_for_patch"}


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_air_is_placed_where_it_is(tmp_path: Path, axis: int) -> None:
    """Half of the volume along one axis is air: of two patches there one is empty, in any layout of the file."""
    half = (
        np.moveaxis(np.full((50, 40, 30), 40, np.int16), 0, axis)
        + ct(1, (50, 40, 30)).reshape(np.moveaxis(np.empty((50, 40, 30)), 0, axis).shape) % 5
    )
    half[tuple(slice(0, 25) if at == axis else slice(None) for at in range(3))] -= 1000
    patch = tuple(length // (2 if at == axis else 1) for at, length in enumerate(half.shape))
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data/c.npy", half)
    np.save(tmp_path / "data/f.npy", np.asfortranarray(half))
    save(tmp_path / "data/n.nii", half)
    judged = Judged(tmp_path / "data", patch=patch)
    for name in ("c.npy", "f.npy", "n.nii"):
        assert judged.told(name)["air_patches"] == "50 % of 2 patches are over 95 % air"


def test_subjects_are_read_from_names_that_say_so() -> None:
    assert subject_of("sub-01/ses-1/anat/sub-01_T1w.nii.gz") == "sub-01"
    assert subject_of("train/Patient_7/ct.nii.gz") == subject_of("patient_7_late.nii.gz") == "patient_7"
    assert subject_of("subject12_run1.h5") == "subject12"
    assert [subject_of(name) for name in ("ct_001.nii.gz", "liver_12.nii", "2024_01.nii", "subtle_3.nii")] == [""] * 4


def test_the_picture_is_the_middle_slice_in_a_soft_tissue_window(folder: Path) -> None:
    judged = Judged(folder)
    picture = Volumes().picture(judged.findings["good_1.nii.gz"].item)
    assert picture is not None and picture.size == (SHAPE[0], SHAPE[1])
    assert picture.getpixel((0, 0)) == 0 and 90 < picture.getpixel((24, 20)) < 160
    (folder / "good_1.nii.gz").write_text("gone bad since")
    assert Volumes().picture(judged.findings["good_1.nii.gz"].item) is None


def test_rows_of_the_table_are_plain(folder: Path) -> None:
    (row,) = Volumes().rows(Judged(folder).findings["good_0.nii"])
    assert row["shape"] == "48 40 32" and 0.4 < row["air_share"] < 0.8
    assert "histogram" not in row and "air_cells" not in row


def test_memory_is_a_few_slices_whatever_the_volume(tmp_path: Path) -> None:
    path = tmp_path / "large.nii.gz"
    header = nibabel.Nifti1Header()
    header.set_data_shape((512, 512, 100))
    header.set_data_dtype(np.int16)
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    plane = (ct(0, (512, 512, 1)) // 64).tobytes(order="F")
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(header.binaryblock + bytes(4))
        for _ in range(100):
            stream.write(plane)
    tracemalloc.start()
    found = Volumes().statistics(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found["slices"] == 100 and found["repeated_slices"] == 99
    assert peak < 20e6  # the volume is 52 MB
