"""The objective: the target, except at depth edges; its perceptual appearance; agreement with the moving average."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

EDGE_JUMP = 0.1  # of the nearer depth; a larger difference within 3×3 pixels is a depth edge
SSIM_WINDOW, SSIM_STRIDE = 7, 2
SSIM_SCALES = 3
# Ten times Wang's K1: with (0.01, 0.03) a background that is not perfectly black outweighs everything else.
SSIM_C = 0.1**2


def depth_edges(depth: Tensor) -> Tensor:
    """Pixels with unreliable colour, bool, from a depth (…, 1, H, W) that is 0 where nothing was rendered.

    True where nothing was rendered, and on and next to a depth edge, where a renderer blends near and far.
    """
    farthest = F.max_pool2d(depth, 3, stride=1, padding=1)
    nearest = -F.max_pool2d(-depth, 3, stride=1, padding=1)
    return (farthest > nearest * (1 + EDGE_JUMP)) | (depth <= 0)


def edge_weight(edges: Tensor, weight: float) -> Tensor:
    """Loss weight of each pixel: `weight` on `depth_edges`, else 1."""
    return torch.where(edges, weight, 1.0)


def weighted_l1(prediction: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean of |prediction - target| (B, 3, H, W) times each pixel's weight (B, 1, H, W); scalar."""
    return ((prediction - target).abs() * weight).mean()


def consistency_weight(progress: float, weights: tuple[float, float, float]) -> float:
    """Weight of the consistency term, by thirds of training; `progress` runs 0-1."""
    return weights[min(2, int(3 * progress))]


class Perceptual:
    """How different two pictures look: LPIPS where all its weights are on disk, else 1 - multi-scale SSIM.

    Nothing is ever downloaded.

    Attributes:
        name: `lpips-alex` or `ms-ssim`.
    """

    def __init__(self) -> None:
        self._lpips = _load_lpips() if lpips_on_disk() else None
        self.name = "ms-ssim" if self._lpips is None else "lpips-alex"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Scalar, 0 for equal pictures; a and b are (B, 3, H, W) in [0, 1]."""
        if self._lpips is None:
            return ms_ssim_loss(a, b)
        return self._lpips.to(a.device)(a, b, normalize=True).mean()


def lpips_on_disk() -> bool:
    """Whether the package `lpips`, its weights and those of its AlexNet backbone are all on disk."""
    package = importlib.util.find_spec("lpips")
    if package is None or package.origin is None:
        return False
    linear = Path(package.origin).parent / "weights" / "v0.1" / "alex.pth"
    backbones = (Path(torch.hub.get_dir()) / "checkpoints").glob("alexnet-owt-*.pth")
    return linear.is_file() and any(backbones)


def _load_lpips() -> Any:
    """Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", 2018; frozen."""
    import lpips

    return lpips.LPIPS(net="alex", verbose=False).eval().requires_grad_(False)


def ms_ssim_loss(a: Tensor, b: Tensor) -> Tensor:
    """1 - SSIM, the mean over scales, each half the one before; scalar, 0 for equal pictures (B, 3, H, W) in [0, 1].

    SSIM of Wang et al. 2004 with a uniform window and C1 = C2 = SSIM_C. The mean of the scales, not the product of
    Wang et al. 2003, because a product has no gradient where one scale is 0. Pictures are at least SSIM_WINDOW wide.
    """
    losses = []
    for _ in range(SSIM_SCALES):
        losses.append(1 - _ssim(a, b))
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        if min(a.shape[2:]) < SSIM_WINDOW:
            break
    return torch.stack(losses).mean()


def _ssim(a: Tensor, b: Tensor) -> Tensor:
    def local(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, SSIM_WINDOW, stride=SSIM_STRIDE)

    mean_a, mean_b = local(a), local(b)
    variances = local(a * a + b * b) - mean_a**2 - mean_b**2
    covariance = local(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + SSIM_C) / (mean_a**2 + mean_b**2 + SSIM_C)
    return (luminance * (2 * covariance + SSIM_C) / (variances + SSIM_C)).mean()
