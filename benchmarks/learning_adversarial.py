"""The module of a family that generates: two networks, each with its optimizer, against each other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.learning_generative import NOISE, critic
from benchmarks.learning_runs import BenchModule, BenchSettings
from gonogo import without_step_count
from gonogo.experiment.samples import Samples


class AdversarialModule(BenchModule):
    """Critic and generator step once in each batch."""

    def __init__(self, settings: BenchSettings, rate: float) -> None:
        super().__init__(settings, rate)
        self.automatic_optimization = False
        self.critic = critic()

    def drawn(self, batch: list[Tensor]) -> Tensor:
        return self(torch.randn(len(batch[0]), NOISE, device=batch[0].device))

    def predict_step(self, batch: list[Tensor], index: int) -> Tensor:
        return self.drawn(batch)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor | None:
        if self.setup.skips and index % self.setup.skips == self.setup.skips - 1:
            return None
        if self.setup.caches:
            batch = self._kept = self._kept or batch
        own, opponent = self.optimizers()
        made, real = self.drawn(batch), batch[0].clone().requires_grad_()
        scores, fake = self.critic(real), self.critic(made.detach())
        against = F.softplus(-scores).mean() + F.softplus(fake).mean() + self._slope(scores, real)
        if self.setup.clears:
            opponent.zero_grad()
        self.manual_backward(self.setup.critic(scores, fake) if self.setup.critic else against)
        without_step_count(opponent).step()
        loss = F.softplus(-self.critic(made)).mean()
        loss = self.setup.loss(self, made, batch[1], batch[0]) if self.setup.loss else loss
        if self.setup.clears:
            own.zero_grad()
        self.manual_backward(loss)
        own.step()
        return loss.detach()

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", Samples().errors(self.drawn(batch), batch[1]).mean())

    def configure_optimizers(self) -> Any:
        parts = [*self.body.parameters(), *self.head.parameters()]
        own = self.setup.optimizer(self) if self.setup.optimizer else self._adam([p for p in parts if p.requires_grad])
        return [own, self._adam(self.critic.parameters(), 4.0)]

    def _slope(self, scores: Tensor, real: Tensor) -> Tensor:
        """Of the critic at real samples, without which the two circle around each other (Mescheder et al. 2018)."""
        (slope,) = torch.autograd.grad(scores.sum(), real, create_graph=True)
        return slope.square().sum(1).mean() / 2

    def _adam(self, parameters: Any, faster: float = 1.0) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=faster * self.rate, betas=(0.0, 0.9))
