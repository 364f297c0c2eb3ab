"""Training patches: how much of a volume they cover, and how many are empty."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gonogo.quality.volumes.patches import patch_coverage
from gonogo.verdict import Status

from .scans import Judged, ct, save


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
