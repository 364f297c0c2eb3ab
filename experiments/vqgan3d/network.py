"""Encoder and decoder between volumes and a grid of embeddings (Khader et al. 2023, "Denoising diffusion
probabilistic models for 3D medical image generation", its VQ-GAN; after Esser et al. 2021)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from experiments.vqgan3d.settings import ModelSettings

MOST_GROUPS = 32


class Same(nn.Module):
    """A convolution with replicate padding, so that only the stride changes the size."""

    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        before, after = math.ceil((kernel - stride) / 2), (kernel - stride) // 2
        self.pad = (before, after) * 3
        self.convolution = nn.Conv3d(channels_in, channels, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(F.pad(x, self.pad, mode="replicate"))


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            _norm(channels), nn.SiLU(), Same(channels, channels, 3),
            _norm(channels), nn.SiLU(), Same(channels, channels, 3),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


class Stages(nn.Sequential):
    """Sequential stages; while training with `checkpointing`, each is recomputed in the backward pass."""

    def __init__(self, *stages: nn.Module, checkpointing: bool) -> None:
        super().__init__(*stages)
        self.checkpointing = checkpointing

    def forward(self, x: Tensor) -> Tensor:
        for stage in self:
            x = self._through(stage, x)
        return x

    def _through(self, stage: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        if not (self.checkpointing and self.training):
            return stage(x)
        recomputed = checkpoint(stage, x, use_reentrant=False)
        assert recomputed is not None
        return recomputed


def encoder(settings: ModelSettings) -> Stages:
    """(B, 1, X, Y, Z) → (B, width, X/d, Y/d, Z/d)."""
    channels = settings.hidden
    stages: list[nn.Module] = [Same(1, channels, 3)]
    for _ in range(_levels(settings)):
        stages += [Same(channels, 2 * channels, 4, stride=2), Residual(2 * channels)]
        channels *= 2
    last = nn.Sequential(_norm(channels), nn.SiLU(), Same(channels, settings.codebook.width, 1))
    return Stages(*stages, last, checkpointing=settings.checkpointing)


def decoder(settings: ModelSettings) -> Stages:
    """(B, width, X/d, Y/d, Z/d) → (B, 1, X, Y, Z)."""
    levels = _levels(settings)
    channels = settings.hidden * 2**levels
    stages: list[nn.Module] = [
        nn.Sequential(Same(settings.codebook.width, channels, 1), _norm(channels), nn.SiLU()),
    ]
    for level in range(levels):
        channels_out = channels if level == 0 else channels // 2
        stages += [
            nn.ConvTranspose3d(channels, channels_out, 4, stride=2, padding=1),
            Residual(channels_out),
            Residual(channels_out),
        ]
        channels = channels_out
    return Stages(*stages, Same(channels, 1, 3), checkpointing=settings.checkpointing)


def _levels(settings: ModelSettings) -> int:
    return settings.downsample.bit_length() - 1


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(max(1, min(MOST_GROUPS, channels // 4)), channels)
