"""A training step for the memory trace, as a user would give it."""

from __future__ import annotations

from typing import Any

import torch


def step(micro_batch_size: int) -> tuple[Any, ...]:
    model = torch.nn.Linear(4, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return model, optimizer, lambda batch: model(batch).square().mean(), torch.zeros(micro_batch_size, 4)
