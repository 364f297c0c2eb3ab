"""Folders of volumes: subjects, the table, the picture, and memory."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import nibabel
import numpy as np
import pytest

from gonogo.base.errors import UserError
from gonogo.quality.measure import measure_part
from gonogo.quality.subjects import subject_of
from gonogo.quality.volumes.inspector import Volumes

from .scans import SHAPE, Judged, ct


def test_an_empty_folder_says_what_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no volume here \(\.nii, .*It is empty"):
        measure_part("volumes", tmp_path, tmp_path.parent / "out")


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
