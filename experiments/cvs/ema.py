"""A moving average of the weights."""

from __future__ import annotations

from itertools import chain

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


class MovingAverage(AveragedModel):
    """A frozen copy of a network that follows it: an update keeps `decay` of the copy.

    With warm-up the n-th keeps min(decay, (1 + n) / (10 + n)): early on, the average quickly drops its initial weights.
    torch's own update reads its counter on the host. This one does not, so it neither waits for a GPU nor needs real
    data when it is traced.
    """

    def __init__(self, network: nn.Module, decay: float, warmup: bool) -> None:
        super().__init__(network)
        self.decay, self.warmup = decay, warmup
        self.requires_grad_(False)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Update parameters and buffers by one step towards the network's."""
        warm = (
            (1 + self.n_averaged) / (10 + self.n_averaged) if self.warmup else torch.ones_like(self.n_averaged).float()
        )
        forget = 1 - warm.clamp(max=self.decay)
        averaged = chain(self.module.parameters(), self.module.buffers())
        for mine, its in zip(averaged, chain(model.parameters(), model.buffers()), strict=True):
            mine.lerp_(its.detach(), forget.to(mine.dtype))
        self.n_averaged += 1
