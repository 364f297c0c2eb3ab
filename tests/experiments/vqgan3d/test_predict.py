"""Whole volumes from patches, and their metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.vqgan3d.module import VQGAN3DModule, psnr_db, ssim
from experiments.vqgan3d.predict import blended, picture
from experiments.vqgan3d.settings import PatchSettings
from gonogo.base.errors import UserError
from gonogo.config.experiment import Training
from gonogo.training.data_loading import trained
from tests.experiments.vqgan3d.volumes import small

PATCHES = PatchSettings(size=(16, 16, 16), stride=(12, 12, 12))


def volume(*shape: int) -> torch.Tensor:
    return torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("shape", [(40, 33, 21), (16, 16, 16), (20, 9, 50)])
def test_the_identity_reconstructs_a_volume_without_seams(shape: tuple[int, int, int]) -> None:
    """Overlaps are blended with weights that sum to one, at edges and for axes shorter than a patch too."""
    given = volume(*shape)
    assert (blended(lambda patches: patches, given, PATCHES, 4) - given).abs().max() < 1e-5


def test_patches_that_disagree_are_blended_and_not_cut() -> None:
    def shifted(patches: torch.Tensor) -> torch.Tensor:
        return torch.arange(len(patches)).view(-1, 1, 1, 1, 1).expand_as(patches).float()

    found = blended(shifted, volume(40, 16, 16), PATCHES, 8)[0, 0, :, 8, 8]
    assert (found.diff().abs() < 0.8).all() and found.max() > 1.5


def test_ssim_of_a_volume_with_itself_is_one_and_is_no_cosine_similarity() -> None:
    given = volume(24, 24, 16)
    assert ssim(given, given) == pytest.approx(1.0)
    assert ssim(0.5 * given, given) < 0.95  # cosine similarity would be 1
    assert abs(ssim(given.flip(2), given)) < 0.1


def test_psnr_of_a_known_error() -> None:
    assert psnr_db(0.04) == pytest.approx(20.0)  # a tenth of the span of 2
    assert psnr_db(0.0) == 99.0


def test_the_picture_shows_targets_above_reconstructions(tmp_path: Path) -> None:
    targets = torch.full((2, 1, 16, 12, 8), -1.0)
    targets[:, :, 0] = 1.0
    picture(torch.zeros_like(targets), targets, tmp_path / "shown.png")
    pixels = np.asarray(Image.open(tmp_path / "shown.png"))
    assert pixels.shape == (6 * 24, 6 * 32)
    pixels = pixels[::6, ::6]
    assert (pixels[:12, 0] == 255).all() and (pixels[:12, 1:16] == 0).all() and (pixels[12:] == 128).all()


def test_a_checkpoint_of_another_model_is_named(tmp_path: Path) -> None:
    torch.save({"state_dict": {"x": torch.zeros(1)}}, tmp_path / "x.ckpt")
    with pytest.raises(UserError, match=r"x\.ckpt: no checkpoint of this model"):
        trained(VQGAN3DModule(small(), Training()), tmp_path / "x.ckpt")


def test_a_fresh_module_predicts_in_range() -> None:
    module = VQGAN3DModule(small(), Training()).eval()
    patch = volume(16, 16, 16)
    with torch.no_grad():
        found = module.predict_step({"input": patch, "target": patch}, 0)
    assert found.shape == patch.shape and found.min() >= -1 and found.max() <= 1
