"""Volumes on disk: files that cannot be read, and the formats that can."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from gonogo.quality.volumes.items import VolumeItem
from gonogo.verdict import Status

from .scans import SHAPE, Judged, affine, ct, raw, save


def test_scaling_by_the_header_is_applied(folder: Path) -> None:
    image = nibabel.Nifti1Image(ct(9).astype(np.float32), affine())
    image.header.set_data_dtype(np.int16)
    image.set_qform(affine(), 1)
    image.set_sform(affine(), 1)
    nibabel.save(image, folder / "scaled.nii.gz")
    assert nibabel.load(folder / "scaled.nii.gz").dataobj.slope < 0.1
    assert Judged(folder).told("scaled.nii.gz") == {}


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
