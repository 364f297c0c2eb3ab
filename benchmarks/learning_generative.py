"""Models that generate, for benchmarks/learning.py: a denoiser of pictures, and a generator of table rows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

NOISE, COLUMNS = 8, 6
Arrays = tuple[np.ndarray, np.ndarray]


def rows(count: int, rng: np.random.Generator, task: np.random.Generator) -> Arrays:
    """Two kinds of row, whose columns depend on each other: real ones are inputs and targets."""
    mixing, centre = task.normal(size=(3, COLUMNS)), 2 * task.normal(size=COLUMNS)
    hidden = rng.normal(size=(count, 3))
    found = hidden @ mixing + np.where(rng.random((count, 1)) < 0.5, centre, -centre)
    x = ((found + 0.1 * rng.normal(size=found.shape)) / 2).astype(np.float32)
    return x, x.copy()


class Noised(nn.Module):
    """Pictures in [0, 1] with noise of a random level, which stands in a channel of its own; then a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(4, 24, 3, padding=1), nn.SiLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.first(self.mixed(x, self.level(x)))

    def level(self, x: Tensor) -> Tensor:
        """Share of noise (N, 1, 1, 1): 0 none, 1 nothing else."""
        return torch.rand(len(x), 1, 1, 1, device=x.device)

    def mixed(self, x: Tensor, level: Tensor) -> Tensor:
        angle = level * torch.pi / 2
        self.noise = torch.randn_like(x)
        noised = angle.cos() * (4 * x - 2) + angle.sin() * self.noise
        return torch.cat([noised, level.expand(-1, 1, *x.shape[2:])], 1)


def denoiser() -> tuple[nn.Module, nn.Module]:
    """Body and head; the answer is the picture without its noise."""
    head = nn.Sequential(nn.Conv2d(24, 24, 5, padding=2), nn.GroupNorm(4, 24), nn.SiLU(),
                         nn.Conv2d(24, 24, 5, padding=2), nn.SiLU(), nn.Conv2d(24, 3, 3, padding=1))  # fmt: skip
    return Noised(), head


def generator() -> tuple[nn.Module, nn.Module]:
    """Body and head, of noise."""
    return nn.Sequential(nn.Linear(NOISE, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()), nn.Linear(64, COLUMNS)


def critic() -> nn.Module:
    hidden = [nn.Linear(64, 64), nn.LeakyReLU(0.2)]
    return nn.Sequential(nn.Linear(COLUMNS, 64), nn.LeakyReLU(0.2), *hidden, nn.Linear(64, 1))
