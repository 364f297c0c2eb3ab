"""DICOM series as volumes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gonogo.base.errors import UserError
from gonogo.verdict import Status

from .scans import SPACING, Judged, ct


def write_series(folder: Path, seed: int, slices: list[int] | None = None, uid: str = "") -> None:
    """A CT as a scanner writes it: a file for each slice, in files whose names say nothing of their order."""
    pydicom = pytest.importorskip("pydicom")
    folder.mkdir(parents=True, exist_ok=True)
    voxels = ct(seed)
    for at in range(voxels.shape[2]) if slices is None else slices:
        meta = pydicom.dataset.FileMetaDataset()
        meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        data = pydicom.Dataset()
        data.file_meta = meta
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"1.2.{seed + 1}.{at + 1}"
        data.SeriesInstanceUID, data.PatientID, data.InstanceNumber = f"1.2.3{uid}.{seed + 1}", f"p{seed}", at + 1
        data.ImagePositionPatient = [0, 0, SPACING[2] * at]
        data.ImageOrientationPatient, data.PixelSpacing = [1, 0, 0, 0, 1, 0], [SPACING[1], SPACING[0]]
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
        data.RescaleSlope, data.RescaleIntercept = 1, -1024
        stored = (voxels[..., at].T.astype(np.int32) + 1100 - 76).clip(0, 65535).astype(np.uint16)
        data.Rows, data.Columns = stored.shape
        data.PixelData = stored.tobytes()
        data.save_as(folder / f"{(at * 7919 + seed) % 1009:04}{uid}.dcm", enforce_file_format=True)


def test_a_series_is_one_volume(tmp_path: Path) -> None:
    for seed in range(4):
        write_series(tmp_path / f"data/scan{seed}", seed)
    judged = Judged(tmp_path / "data")
    assert judged.judgement.status is Status.GO, judged.judgement.checks
    assert (judged.judgement.items, judged.judgement.covered) == (4, "128 of 128 files judged")
    item: Any = next(iter(judged.findings.values())).item
    assert (item.shape, item.axes, item.voxel_mm, item.group) == ([48, 40, 32], "LPS", [0.8, 0.8, 1.5], "p0")
    assert item.low is not None and -1100 < item.low < -900


def test_missing_doubled_and_mixed_slices_are_told(tmp_path: Path) -> None:
    for seed in range(3):
        write_series(tmp_path / f"data/scan{seed}", seed)
    write_series(tmp_path / "data/gap", 5, [at for at in range(32) if not 10 <= at < 16])
    write_series(tmp_path / "data/mixed", 6)
    write_series(tmp_path / "data/mixed", 7, uid=".9")
    (tmp_path / "data/scan0/bad.dcm").write_bytes(b"no DICOM" * 40)
    judged = Judged(tmp_path / "data")
    told = {name.split("/")[0]: judged.told(name) for name in judged.findings}
    assert "6 slices missing, by the positions of 26 others" in told["gap"]["gap"]
    assert "one of 2 series in one folder" in told["mixed"]["mixed"]
    assert any("unreadable" in judged.told(name) for name in judged.findings if name.startswith("scan0"))
    assert judged.judgement.items == 7


def test_a_missing_package_is_named_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.dcm").write_bytes(b"0")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pydicom" else find(name))
    with pytest.raises(UserError, match=r"pydicom.*pip install 'gonogo\[dicom\]'"):
        Judged(tmp_path / "data")
