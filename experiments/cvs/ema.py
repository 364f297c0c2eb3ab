"""A moving average of the weights, and when it says anything."""

from __future__ import annotations

from itertools import chain

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

MAX_INITIAL_SHARE = 0.1


class MovingAverage(AveragedModel):
    """A frozen copy of a network that follows it: the n-th update keeps min(decay, (1 + n) / (10 + n)) of the copy.

    The warm-up is that of TensorFlow's ExponentialMovingAverage: early on, the average forgets where it began.
    torch's own update looks at its counter on the host; this one does not, so that it neither waits for a GPU nor
    needs data to be traced.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network)
        self.decay = decay
        self.requires_grad_(False)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Follow the network, in its parameters and buffers, by one step."""
        forget = 1 - ((1 + self.n_averaged) / (10 + self.n_averaged)).clamp(max=self.decay)
        averaged = chain(self.module.parameters(), self.module.buffers())
        for mine, its in zip(averaged, chain(model.parameters(), model.buffers()), strict=True):
            mine.lerp_(its.detach(), forget.to(mine.dtype))
        self.n_averaged += 1


def ema_useful(decay: float, steps: int, warmup: bool) -> bool:
    """Whether an average has forgotten the weights that it began with: at most a tenth of them is left.

    Without warm-up decay^steps is left: 0.9999 over 1,250 steps keeps 88 %, and pictures from it say nothing.
    """
    share = 1.0
    for update in range(steps):
        share *= min(decay, (1 + update) / (10 + update)) if warmup else decay
        if share <= MAX_INITIAL_SHARE:
            return True
    return False
