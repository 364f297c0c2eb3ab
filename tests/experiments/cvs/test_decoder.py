from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from experiments.cvs import decoder
from experiments.cvs.cameras import input_camera, orbit_camera
from experiments.cvs.depth import depth_of
from experiments.cvs.photographs import Photographs
from experiments.cvs.settings import DataSettings
from experiments.cvs.splats import Gaussians, render
from gonogo.base.errors import UserError

SETTINGS = DataSettings()


@pytest.fixture(scope="module")
def pairs(root: Path) -> list[decoder.Pair]:
    photographs = Photographs(root / "resources/photographs")
    items = [photographs.item(index, SETTINGS.image_size, 0) for index in range(7)]
    return [(item.image, depth_of(item, SETTINGS)) for item in items]


@pytest.fixture(scope="module")
def fitted(pairs: list[decoder.Pair]) -> decoder.Network:
    return decoder.fit(pairs[:4], SETTINGS, 0)


def wild(gaussians_per_cell: int = 4) -> decoder.Network:
    """A network that says something else for every cell."""
    torch.manual_seed(1)
    network = decoder.Network(gaussians_per_cell)
    torch.nn.init.normal_(network.layers[-1].weight, std=0.3)
    return network.eval()


@torch.no_grad()
def psnr(network: decoder.Decoder, pair: decoder.Pair, settings: DataSettings, grid: int | None = None) -> float:
    view = render(decoder.decode(network, pair, settings, grid), input_camera(settings))
    target = torch.tensor(pair[0]).permute(2, 0, 1) / 255
    return -10 * math.log10((view.rgb.clamp(0, 1) - target).square().mean())


@torch.no_grad()
def test_first_guess_lies_on_the_depth_map_in_its_colours(pairs: list[decoder.Pair]) -> None:
    image, depth = pairs[1]
    cloud = decoder.decode(decoder.Network(4), pairs[1], SETTINGS)
    assert cloud.means.shape == (64 * 64, 3)
    assert torch.allclose(-cloud.means[:, 2].view(64, 64), torch.tensor(depth), atol=1e-4)
    assert torch.allclose(cloud.colours.view(64, 64, 3), torch.tensor(image) / 255, atol=1e-3)
    u = SETTINGS.focal_ratio * cloud.means[:, 0] / -cloud.means[:, 2] + 0.5
    assert torch.allclose(u.view(64, 64), ((torch.arange(64) + 0.5) / 64).expand(64, 64), atol=1e-3)


def test_fit_makes_pictures_of_unseen_inputs_better(pairs: list[decoder.Pair], fitted: decoder.Network) -> None:
    before = np.median([psnr(decoder.Network(4), pair, SETTINGS) for pair in pairs[4:]])
    after = np.median([psnr(fitted, pair, SETTINGS) for pair in pairs[4:]])
    assert after > before + 3
    assert after > 23


@torch.no_grad()
def test_views_from_the_side_have_no_holes(pairs: list[decoder.Pair], fitted: decoder.Network) -> None:
    alphas = []
    for pair in pairs:
        for azimuth in (-25, -12, 12, 25):
            camera = orbit_camera(SETTINGS, np.array([0, 0, -2.8]), 2.8, azimuth, 0)
            alphas.append(render(decoder.decode(fitted, pair, SETTINGS), camera).alpha)
    assert np.median([(alpha > 0.5).float().mean() for alpha in alphas]) > 0.85
    middle = torch.stack(alphas)[:, 16:48, 16:48]
    assert (middle < 0.9).float().mean() < 0.05, "the background shines through between Gaussians"


@pytest.mark.parametrize("grid", [16, 48])
def test_it_works_at_other_grid_sizes(root: Path, fitted: decoder.Network, grid: int) -> None:
    settings = SETTINGS.model_copy(update={"image_size": 2 * grid})
    item = Photographs(root / "resources/photographs").item(1, 2 * grid, 0)
    pair = item.image, depth_of(item, settings)
    assert psnr(fitted, pair, settings, grid) > psnr(decoder.Network(4), pair, settings, grid) + 2


@pytest.mark.parametrize(("count", "shape"), [(1, (32, 32)), (2, (32, 64)), (3, (32, 96)), (6, (64, 96))])
def test_any_number_of_gaussians_a_cell(pairs: list[decoder.Pair], count: int, shape: tuple[int, int]) -> None:
    settings = SETTINGS.model_copy(update={"gaussians_per_cell": count})
    cloud = decoder.decode(decoder.Network(count), pairs[0], settings)
    assert len(cloud.means) == shape[0] * shape[1]
    heights = cloud.means[:, 1].view(shape) / cloud.means[:, 2].view(shape)
    assert (heights.diff(dim=0) > 0).all(), "Gaussians are not in the order of their rows"


def test_a_cell_corrects_its_own_gaussians(pairs: list[decoder.Pair]) -> None:
    brighter = torch.zeros(32 * 32, 4 * decoder.PARAMETERS)
    brighter[5 * 32 + 7].view(4, decoder.PARAMETERS)[:, 9:12] = 1.0  # colour
    plain = decoder.decode(lambda features: torch.zeros_like(brighter), pairs[0], SETTINGS)
    cloud = decoder.decode(lambda features: brighter, pairs[0], SETTINGS)
    changed = (cloud.colours - plain.colours).view(64, 64, 3).sum(-1).nonzero()
    assert changed.tolist() == [[10, 14], [10, 15], [11, 14], [11, 15]]


def same(first: Gaussians, second: Gaussians, tolerance: float = 0.0) -> bool:
    return all(torch.allclose(a, b, atol=tolerance, rtol=tolerance) for a, b in zip(first, second, strict=True))


def decoded(network: decoder.Decoder, pair: decoder.Pair) -> Gaussians:
    with torch.no_grad():
        return decoder.decode(network, pair, SETTINGS)


def test_fit_is_the_same_for_the_same_seed(pairs: list[decoder.Pair]) -> None:
    few = SETTINGS.model_copy(update={"fit_steps": 3})
    random_state = torch.random.get_rng_state()
    clouds = [decoded(decoder.fit(pairs[:2], few, seed), pairs[0]) for seed in (0, 0, 1)]
    assert same(clouds[0], clouds[1])
    assert not same(clouds[0], clouds[2])
    assert torch.equal(torch.random.get_rng_state(), random_state), "the caller's random numbers were disturbed"


def test_checkpoint_gives_the_same_cloud(pairs: list[decoder.Pair], fitted: decoder.Network, tmp_path: Path) -> None:
    decoder.save(fitted, tmp_path / "decoder.pt")
    assert [file.name for file in tmp_path.iterdir()] == ["decoder.pt"]
    assert same(decoded(decoder.load(tmp_path / "decoder.pt", 4), pairs[0]), decoded(fitted, pairs[0]))


def test_onnx_and_torch_agree(pairs: list[decoder.Pair], tmp_path: Path) -> None:
    network = wild()
    decoder.export_onnx(network, tmp_path / "gaussian_decoder.onnx")
    exported = decoder.load_onnx(tmp_path / "gaussian_decoder.onnx", 4)
    assert same(decoded(exported, pairs[0]), decoded(network, pairs[0]), 1e-4)
    assert not same(decoded(exported, pairs[0]), decoded(decoder.Network(4), pairs[0]), 1e-2)


def test_unusable_checkpoints_are_named(fitted: decoder.Network, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.pt: no such file"):
        decoder.load(tmp_path / "none.pt", 4)
    (tmp_path / "half.pt").write_bytes(b"PK\x03\x04 half")
    with pytest.raises(UserError, match=r"half\.pt: not a decoder checkpoint"):
        decoder.load(tmp_path / "half.pt", 4)
    decoder.save(fitted, tmp_path / "decoder.pt")
    with pytest.raises(UserError, match=r"fitted for 4 Gaussians per cell.*is 2; remove it"):
        decoder.load(tmp_path / "decoder.pt", 2)


def test_onnx_decoder_of_another_shape_is_named(fitted: decoder.Network, tmp_path: Path) -> None:
    decoder.export_onnx(fitted, tmp_path / "decoder.onnx")
    features: Tensor = torch.zeros(5, decoder.FEATURES)
    with pytest.raises(UserError, match=r"gives \(5, 52\).*\(5, 26\) is expected"):
        decoder.load_onnx(tmp_path / "decoder.onnx", 2)(features)
    with pytest.raises(UserError, match=r"does not run on an input of shape \(5, 7\)"):
        decoder.load_onnx(tmp_path / "decoder.onnx", 4)(torch.zeros(5, 7))
