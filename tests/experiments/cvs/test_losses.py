import sys
from pathlib import Path

import pytest
import torch

from experiments.cvs.losses import (
    Perceptual,
    consistency_weight,
    depth_edges,
    edge_weight,
    lpips_on_disk,
    ms_ssim_loss,
    weighted_l1,
)
from experiments.cvs.settings import ModelSettings

LPIPS_STAND_IN = """
import torch
class LPIPS(torch.nn.Module):
    def __init__(self, net, verbose):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(3.0))
    def forward(self, a, b, normalize):
        return self.scale * (a - b).abs().mean(dim=(1, 2, 3), keepdim=True)
"""


def stepped_depth() -> torch.Tensor:
    """Near on the left, far on the right, nothing in the last columns (1, 1, 16, 16)."""
    depth = torch.full((1, 1, 16, 16), 2.0)
    depth[..., 6:] = 3.0
    depth[..., 12:] = 0.0
    return depth


def test_pixels_on_a_depth_edge_or_without_depth_weigh_less_than_half() -> None:
    weight = edge_weight(depth_edges(stepped_depth()), ModelSettings().depth_edge_weight)
    assert weight.shape == (1, 1, 16, 16)
    columns = weight[0, 0, 8].tolist()
    assert all(weight < 0.5 for weight in columns[5:7] + columns[11:])
    assert columns[:5] + columns[7:11] == [1.0] * 9


def test_a_gentle_slope_is_no_edge() -> None:
    slope = torch.linspace(2, 4, 64).expand(1, 1, 64, 64)
    assert not depth_edges(slope).any()


def test_an_error_on_a_depth_edge_costs_less_than_elsewhere() -> None:
    weight = edge_weight(depth_edges(stepped_depth()), 0.2)
    target = torch.zeros(1, 3, 16, 16)
    on_edge, off_edge = target.clone(), target.clone()
    on_edge[..., 6], off_edge[..., 2] = 1.0, 1.0
    assert weighted_l1(on_edge, target, weight) == pytest.approx(0.2 * weighted_l1(off_edge, target, weight))
    assert weighted_l1(off_edge, target, weight) == pytest.approx(1 / 16)


@pytest.mark.parametrize(
    ("progress", "weight"), [(0.0, 0.1), (0.33, 0.1), (0.34, 0.3), (0.66, 0.3), (0.67, 1.0), (1.0, 1.0)]
)
def test_consistency_weighs_more_by_thirds_of_training(progress: float, weight: float) -> None:
    assert consistency_weight(progress, ModelSettings().consistency_weights) == weight


@pytest.mark.parametrize("size", [16, 64])
def test_ssim_grows_with_the_damage_and_shows_the_way_back(size: int) -> None:
    torch.manual_seed(0)
    picture = torch.nn.functional.interpolate(torch.rand(2, 3, size // 4, size // 4), scale_factor=4, mode="bilinear")
    assert ms_ssim_loss(picture, picture) == pytest.approx(0, abs=1e-5)
    noise = torch.randn_like(picture)
    little, much = (ms_ssim_loss(picture + sigma * noise, picture) for sigma in (0.05, 0.3))
    assert 0.001 < little < much < 2
    damaged = (picture + 0.3 * noise).requires_grad_()
    loss = ms_ssim_loss(damaged, picture)
    loss.backward()
    assert ms_ssim_loss(damaged.detach() - 50 * damaged.grad, picture) < loss


def test_ssim_tells_a_blurred_picture_from_a_sharp_one() -> None:
    torch.manual_seed(0)
    sharp = torch.rand(1, 3, 32, 32)
    blurred = torch.nn.functional.avg_pool2d(sharp, 5, stride=1, padding=2, count_include_pad=False)
    brighter = sharp + 0.1
    assert ms_ssim_loss(blurred, sharp) > 3 * ms_ssim_loss(brighter, sharp)


@pytest.fixture
def lpips_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `lpips` with its own weights, and an empty cache of torch hub; returns that cache."""
    package = tmp_path / "site" / "lpips"
    (package / "weights" / "v0.1").mkdir(parents=True)
    (package / "__init__.py").write_text(LPIPS_STAND_IN)
    (package / "weights" / "v0.1" / "alex.pth").touch()
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.delitem(sys.modules, "lpips", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    yield checkpoints
    sys.modules.pop("lpips", None)


def test_lpips_is_used_where_all_its_weights_are_on_disk(lpips_package: Path) -> None:
    (lpips_package / "alexnet-owt-7be5be79.pth").touch()
    perceptual = Perceptual()
    assert perceptual.name == "lpips-alex"
    prediction = torch.rand(2, 3, 16, 16, requires_grad=True)
    perceptual(prediction, torch.rand(2, 3, 16, 16)).backward()
    assert prediction.grad is not None


def test_without_the_backbones_weights_ssim_is_used_and_nothing_is_downloaded(lpips_package: Path) -> None:
    assert not lpips_on_disk()
    perceptual = Perceptual()
    assert perceptual.name == "ms-ssim"
    assert perceptual(torch.ones(1, 3, 16, 16), torch.ones(1, 3, 16, 16)) == pytest.approx(0, abs=1e-5)
    assert not any(lpips_package.iterdir())
