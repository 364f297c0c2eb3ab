"""How far a step moves the weights, over a sample of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor
from torch.optim import Optimizer

SAMPLE = 12  # parameters
SAMPLED_VALUES = 1 << 16  # of each


@dataclass(frozen=True)
class RatedParameter:
    """Values of one parameter before a step, and the learning rate of its group."""

    parameter: Tensor
    before: Tensor
    rate: float

    def difference(self) -> Tensor:
        return _sampled(self.parameter).double() - self.before.double()


@dataclass(frozen=True)
class WeightSample:
    """Taken before a step, asked after it."""

    parts: tuple[RatedParameter, ...] = ()

    @classmethod
    def of(cls, optimizer: Optimizer) -> WeightSample:
        rated = [
            (parameter, float(group.get("lr") or 0))
            for group in optimizer.param_groups for parameter in group["params"] if parameter.requires_grad
        ]  # fmt: skip
        rated = rated[:: max(1, len(rated) // SAMPLE)][:SAMPLE]
        return cls(tuple(RatedParameter(parameter, _sampled(parameter), rate) for parameter, rate in rated))

    def change(self) -> float:
        """|change| / |weights|."""
        moved = sum(float(part.difference().square().sum()) for part in self.parts)
        size = sum(float(part.before.double().square().sum()) for part in self.parts)
        return math.sqrt(moved / size) if size else math.inf if moved else 0.0

    def move(self) -> float | None:
        """Root mean square of change / learning rate, of the values that changed; None: none did, or the rate is 0.

        Adam's first step moves each weight by the rate, |g| / (|g| + eps) of it; 1 therefore, unless gradients are
        near eps (Kingma and Ba 2015, algorithm 1).
        """
        squares, count = 0.0, 0
        for part in self.parts:
            if part.rate:
                difference = part.difference()
                squares += float((difference / part.rate).square().sum())
                count += int((difference != 0).sum())
        return math.sqrt(squares / count) if count else None


def _sampled(parameter: Tensor) -> Tensor:
    return parameter.detach().reshape(-1)[:SAMPLED_VALUES].clone()
