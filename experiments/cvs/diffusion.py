"""The noise schedule, and views sampled from a network that predicts the clean target."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

OFFSET = 0.008  # keeps the first steps from having no noise at all (Nichol & Dhariwal 2021, eq. 17)
HIGH_NOISE = 4.0  # exponent that draws training steps towards pure noise, where a one-step sample starts
NEIGHBOURS = 20  # noise levels that consistency is asked between, over the whole schedule

Network = Callable[[Tensor, Tensor], Tensor]
"""(noisy target (B, 3, H, W), step (B,)) → clean target, both in [-1, 1]."""


class CosineSchedule:
    """alpha_bar(t) = f(t) / f(0), f(t) = cos²((t / (T-1) + s) / (1 + s) · π/2), t = 0 (clean) … T - 1 (pure noise).

    Source: Nichol & Dhariwal, "Improved denoising diffusion probabilistic models", 2021, eq. 17.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def signal(self, step: Tensor) -> Tensor:
        """Share of the variance that is signal, alpha_bar, at steps (B,): 1 at the first, 0 at the last."""
        angle = (step / (self.steps - 1) + OFFSET) / (1 + OFFSET) * math.pi / 2
        return (torch.cos(angle) / math.cos(OFFSET / (1 + OFFSET) * math.pi / 2)).square()

    def q_sample(self, clean: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """The target (B, …) with the noise of its step (B,) on it: sqrt(a)·clean + sqrt(1 - a)·noise."""
        signal = self.signal(step).view(-1, *[1] * (clean.dim() - 1))
        return signal.sqrt() * clean + (1 - signal).sqrt() * noise

    def training_steps(self, batch: int, device: torch.device) -> Tensor:
        """Random steps (B,) for training, the higher the likelier: half of them lie in the noisiest 6 %."""
        chosen = 1 - torch.rand(batch, device=device) ** HIGH_NOISE
        return (chosen * (self.steps - 1)).round()

    def neighbour(self, step: Tensor) -> Tensor:
        """The next less noisy step that consistency compares with."""
        return (step - self.steps / NEIGHBOURS).clamp(min=0)

    def sample(self, network: Network, noise: Tensor, evaluations: int = 1) -> Tensor:
        """A target (B, 3, H, W) from pure noise.

        One evaluation is the network's prediction at the last step. Each further one puts the same noise back on at
        a lower level and predicts again (Song et al., "Consistency models", 2023, algorithm 1).
        """
        clean = torch.zeros_like(noise)
        for evaluation in range(evaluations):
            level = (self.steps - 1) * (1 - evaluation / evaluations)
            step = torch.full((len(noise),), level, device=noise.device)
            clean = network(self.q_sample(clean, noise, step), step)
        return clean
