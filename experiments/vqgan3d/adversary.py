"""Two PatchGAN discriminators, of slices and of patches, and their hinge losses (Isola et al. 2017; Lim & Ye 2017)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from monai.networks.nets import PatchDiscriminator
from torch import Tensor, nn

from experiments.vqgan3d.settings import DiscriminatorSettings

KERNEL = 4


class Discriminators(nn.Module):
    """One for a random slice of each patch (2-D), one for whole patches (3-D)."""

    def __init__(self, settings: DiscriminatorSettings) -> None:
        super().__init__()
        self.slices = _patch_gan(2, settings)
        self.patches = _patch_gan(3, settings)

    def forward(self, volume: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
        """Maps of scores, high for what looks real: (B, 1, X', Y') of the slices `at` (B,), (B, 1, X', Y', Z')."""
        picked = volume[torch.arange(len(volume), device=volume.device), :, :, :, at]
        return self.slices(picked)[-1], self.patches(volume)[-1]


def _patch_gan(dimensions: int, settings: DiscriminatorSettings) -> PatchDiscriminator:
    return PatchDiscriminator(
        spatial_dims=dimensions,
        channels=settings.channels,
        in_channels=1,
        num_layers_d=settings.layers,
        kernel_size=KERNEL,
    )


def some_slices(volume: Tensor) -> Tensor:
    """For each patch (B, 1, X, Y, Z) the index of a slice, drawn at random."""
    return torch.randint(volume.shape[-1], (len(volume),), device=volume.device)


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """The loss of a discriminator."""
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())
