"""The noise schedule, and views sampled from a network that predicts the clean target."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

OFFSET = 0.008  # of the cosine; Nichol & Dhariwal 2021, eq. 17
HIGH_NOISE = 4  # exponent that shifts training towards pure noise, where a one-step sample starts
NEIGHBOURS = 20  # noise levels between which consistency is required, over the whole schedule

Network: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""(noisy target (B, 3, H, W), step (B,)) → clean target (B, 3, H, W)."""


class CosineSchedule:
    """alpha_bar(t) = f(t) / f(0), f(t) = cos²((t / (T - 1) + s) / (1 + s) · π/2), for t = 0 (clean) … T - 1 (noise).

    Source: Nichol & Dhariwal, "Improved denoising diffusion probabilistic models", 2021, eq. 17. Steps are float32
    (B,) and need not be whole.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    @property
    def last(self) -> int:
        """The step at which the target is pure noise."""
        return self.steps - 1

    def signal(self, step: Tensor) -> Tensor:
        """alpha_bar (B,): the share of the variance that is signal, 1 at the first step, 0 at the last."""
        angle = (step / self.last + OFFSET) / (1 + OFFSET) * math.pi / 2
        return (torch.cos(angle) / math.cos(OFFSET / (1 + OFFSET) * math.pi / 2)).square()

    def q_sample(self, clean: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """The target (B, C, H, W) with its step's noise: sqrt(alpha_bar) clean + sqrt(1 - alpha_bar) noise."""
        signal = self.signal(step)[:, None, None, None]
        return signal.sqrt() * clean + (1 - signal).clamp(min=0).sqrt() * noise

    def training_steps(self, batch: int, device: torch.device) -> Tensor:
        """Random integer steps (B,), noisier ones more often: half of them are in the last sixteenth."""
        uniform = torch.rand(batch, device=device, dtype=torch.float32)
        return ((1 - uniform**HIGH_NOISE) * self.last).round()

    def neighbour(self, step: Tensor) -> Tensor:
        """The less noisy step (B,) that consistency compares each with."""
        return (step - self.steps / NEIGHBOURS).clamp(min=0)

    def sample(self, network: Network, noise: Tensor, evaluations: int = 1) -> Tensor:
        """A target (B, 3, H, W) from pure noise.

        One evaluation is the network's prediction at the last step. Each further one adds the same noise again, at a
        lower level, and predicts again (Song et al., "Consistency models", 2023, algorithm 1).
        """
        clean = torch.zeros_like(noise)
        for evaluation in range(evaluations):
            level = self.last * (1 - evaluation / evaluations)
            step = torch.full((len(noise),), level, device=noise.device, dtype=torch.float32)
            clean = network(self.q_sample(clean, noise, step), step)
        return clean
