"""EEGNeX-8,32 (Chen, Teng, Chen, Pan, Geyer: Toward reliable signals decoding for electroencephalogram, Biomedical
Signal Processing and Control 87, 2024), with a single output.

Two long temporal convolutions, a spatial one for each of their filters, two dilated temporal ones, a linear layer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from experiments.eeg.settings import ModelSettings

SPATIAL_NORM, LINEAR_NORM = 1.0, 0.25  # the largest norm of a filter's weights
POOLED = (4, 8)  # samples averaged after the spatial and after the last convolution


class EEGNeX(nn.Module):
    """(B, channels, samples) → (B, 1).

    Args:
        channels, samples: of a window; 129 and 200 give 62,353 parameters.
    """

    def __init__(self, settings: ModelSettings, channels: int, samples: int) -> None:
        super().__init__()
        first, second = settings.filters
        spatial = second * settings.depth_multiplier
        self.temporal = nn.Sequential(
            *_temporal(1, first, settings.kernel), nn.BatchNorm2d(first),
            *_temporal(first, second, settings.kernel), nn.BatchNorm2d(second),
        )  # fmt: skip
        self.spatial = nn.Sequential(
            nn.Conv2d(second, spatial, (channels, 1), groups=second, bias=False), nn.BatchNorm2d(spatial),
            *_rest(POOLED[0], settings.dropout),
        )  # fmt: skip
        self.dilated = nn.Sequential(
            *_temporal(spatial, second, settings.late_kernel, dilation=2), nn.BatchNorm2d(second),
            *_temporal(second, first, settings.late_kernel, dilation=4), nn.BatchNorm2d(first),
            *_rest(POOLED[1], settings.dropout),
        )  # fmt: skip
        for length in POOLED:
            samples = (samples + 2 - length) // length + 1
        self.out = nn.Linear(first * samples, 1)

    def forward(self, windows: Tensor) -> Tensor:
        x = self.dilated(self.spatial(self.temporal(windows[:, None])))
        return self.out(x.flatten(1))

    @torch.no_grad()
    def limit_weights(self) -> None:
        """Limit the norms of the spatial filters and of the output's weights; after an optimizer step."""
        for weight, longest in ((self.spatial[0].weight, SPATIAL_NORM), (self.out.weight, LINEAR_NORM)):
            weight.copy_(torch.renorm(weight, p=2, dim=0, maxnorm=longest))


def _temporal(channels_in: int, channels: int, kernel: int, dilation: int = 1) -> list[nn.Module]:
    """A convolution over time that keeps the number of samples; even kernels reach one sample further ahead."""
    around = dilation * (kernel - 1)
    pad = nn.ZeroPad2d((around // 2, around - around // 2, 0, 0))
    return [pad, nn.Conv2d(channels_in, channels, (1, kernel), dilation=(1, dilation), bias=False)]


def _rest(pooled: int, dropout: float) -> list[nn.Module]:
    return [nn.ELU(), nn.AvgPool2d((1, pooled), padding=(0, 1)), nn.Dropout(dropout)]
