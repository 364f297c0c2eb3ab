"""Samples of a generator: none answers a target of its own, all together are held against all targets."""

from __future__ import annotations

import torch
from torch import Tensor

from gonogo.experiment.measure import Measure


class Samples(Measure):
    """What a GAN makes of noise, drawn by `predict_step`: as many as the batch has targets, in any order.

    The error is the energy distance (Székely and Rizzo 2013): how far a target lies from the samples of its batch on
    average, less half of how far the samples lie from each other and half of how far the targets do. Only the right
    distribution comes to 0; samples that are all alike are no better than the targets' mean, which skill compares with.
    Batches of eight or more say something; one of a single target cannot.
    """

    quantities = True
    paired = False
    unit = "energy distance"

    def errors(self, outputs: Tensor, targets: Tensor) -> Tensor:
        o, t = _rows(outputs), _rows(targets)
        return (torch.cdist(t, o).mean(1) - _half(o) - _half(t)).unsqueeze(1).cpu()

    def total(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        return targets.detach().double().sum(0), torch.tensor(float(len(targets)))

    def errors_of_mean(self, mean: Tensor, targets: Tensor) -> Tensor:
        t = _rows(targets)
        return (torch.cdist(t, _rows(mean.to(targets.device).unsqueeze(0))).squeeze(1) - _half(t)).cpu()

    def remaining(self, outputs: Tensor, targets: Tensor) -> float:
        mean = self.errors_of_mean(targets.double().mean(0), targets)
        return float(self.errors(outputs, targets).mean() / mean.mean().clamp(min=1e-12))

    def shown(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs.float().cpu()

    def variety(self, outputs: Tensor, targets: Tensor) -> float | None:
        """Mean distance of the samples from each other over that of the targets; None: one of a kind."""
        of_targets = float(_half(_rows(targets)))
        return float(_half(_rows(outputs))) / of_targets if of_targets else None


def _rows(values: Tensor) -> Tensor:
    return values.detach().double().reshape(len(values), -1)


def _half(rows: Tensor) -> Tensor:
    """Half of the mean distance between two different rows; 0 of a single one."""
    return torch.pdist(rows).mean() / 2 if len(rows) > 1 else rows.new_zeros(())
