"""The trace against steps that are really run on this machine's CPU: the same bytes, one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from benchmarks.real_bytes import RealBytes
from gonogo.experiment.step import Step
from tests.memory.steps import peak, traced


def really(build: Callable[[], Step], copied: bool, steps: int = 2) -> int:
    """Peak of live bytes of the same steps, run; with the batch copied for each, as to a GPU."""
    step = build()
    made: Any = step.optimizer
    optimizer = made()
    counter = RealBytes()
    batch = step.batch
    for tensor in [*step.model.parameters(), *step.model.buffers(), *(() if copied else batch)]:
        counter.count(tensor)
    with counter:
        for _ in range(steps):
            if copied:
                batch = tuple(tensor.clone() for tensor in step.batch)
            loss = step.run(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return counter.peak


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1), nn.GroupNorm(4, channels),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + self.net(x))


class Checkpointed(Block):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return checkpoint(super().forward, x, use_reentrant=False)


def convolutions(block: type[Block]) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), block(16), block(16), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4096, 10)
    )


def perceptron(block: type[Block]) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(3 * 32 * 32, 256), nn.ReLU(), nn.LayerNorm(256), nn.Linear(256, 256), nn.GELU(),
        nn.Tanh(), nn.Linear(256, 10),
    )  # fmt: skip


def classifier(
    net: Callable[[type[Block]], nn.Module], block: type[Block], optimizer: type[torch.optim.Optimizer]
) -> Callable[[], Step]:
    def build() -> Step:
        model = net(block)
        return Step(
            model=model,
            optimizer=lambda: optimizer(model.parameters(), lr=1e-3, foreach=True),  # type: ignore[call-arg]
            run=lambda batch: F.cross_entropy(model(batch[0]), batch[1]),
            batch=(torch.zeros(16, 3, 32, 32), torch.zeros(16, dtype=torch.long)),
            micro_batch_size=16,
        )

    return build


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize(
    ("net", "block"), [(perceptron, Block), (convolutions, Block), (convolutions, Checkpointed)],
    ids=["perceptron", "convolutions", "checkpointed"],
)  # fmt: skip
def test_live_bytes_are_those_of_the_real_step(net: Any, block: Any, optimizer: Any, device: str) -> None:
    build = classifier(net, block, optimizer)
    real = really(build, copied=device == "cuda")
    found = traced(build, device=device)
    assert found.guesses == []
    assert abs(peak(found.events) / real - 1) < (0.001 if device == "cpu" else 0.02)


def test_tracing_leaves_torch_as_it_was() -> None:
    traced(classifier(perceptron, Block, torch.optim.SGD))
    assert not torch.cuda.is_available() or torch.backends.cuda.is_built()
    linear = nn.Linear(4, 4).to(torch.float64)
    linear(torch.ones(1, 4, dtype=torch.float64)).sum().backward()
    assert linear.weight.grad is not None and linear.weight.grad.device.type == "cpu"
