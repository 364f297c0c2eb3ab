"""The trace counts what a step allocates, without allocating it."""

from __future__ import annotations

import resource
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import nn

from gonogo.config import Training
from gonogo.memory.trace import trace


class Dense(LightningModule):
    def __init__(self, width: int, data_dependent: bool = False) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(width, width, bias=False), nn.ReLU(), nn.Linear(width, 1, bias=False))
        self.data_dependent = data_dependent

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        out = self.net(batch)
        return out[out > 0].nonzero().sum() if self.data_dependent else out.square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters())


class Case:
    """As much of an experiment as the trace asks for."""

    def __init__(self, width: int, data_dependent: bool = False) -> None:
        self.width, self.data_dependent = width, data_dependent

    def module(self, training: Training) -> Dense:
        return Dense(self.width, self.data_dependent)

    def example_batch(self, batch_size: int) -> torch.Tensor:
        return torch.zeros(batch_size, self.width)


def run(width: int, batch: int, **changes: Any) -> Any:
    return trace(Case(width), Training(micro_batch_size=batch, **changes))  # type: ignore[arg-type]


def test_weights_gradients_and_adam_are_counted_to_the_byte() -> None:
    found = run(1000, 1)
    weights = 4 * (1000 * 1000 + 1000)
    assert found.parameters == 1_001_000
    assert found.components_bytes["weights"] == weights
    assert found.components_bytes["gradients"] == weights
    # two moments of every weight, step counters, and temporaries of one tensor (nearly all weights are in one here)
    assert 2 * weights <= found.components_bytes["optimizer"] <= 4.1 * weights
    assert found.peak_bytes == sum(found.components_bytes.values())


def test_activations_grow_with_the_batch_and_accumulation_costs_nothing_more() -> None:
    one, two, four = (run(500, 4096 * n).peak_bytes for n in (1, 2, 4))
    assert abs((four - two) / (two - one) - 2) < 0.05
    accumulated = run(500, 4096, accumulate_grad_batches=4).peak_bytes
    assert accumulated < 1.1 * one


def test_nothing_is_really_allocated() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = run(30_000, 1000)  # 14.4 GB of weights, gradients and moments
    assert found.peak_bytes > 14e9
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 500e6


def test_a_precision_that_is_not_traced_yet_is_unknown() -> None:
    found = run(10, 1, precision="bf16-true")
    assert found.peak_bytes is None and "bf16-true" in found.error


def test_what_cannot_be_traced_gets_no_number() -> None:
    found = trace(Case(10, data_dependent=True), Training())  # type: ignore[arg-type]
    assert found.peak_bytes is None and found.components_bytes == {}
    assert "nonzero" in found.error or "data-dependent" in found.error or "index" in found.error
