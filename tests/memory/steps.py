"""Small training steps, and ways to read a trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from gonogo.experiment.step import Step
from gonogo.memory.events import Events
from gonogo.memory.trace import trace_step
from gonogo.memory.trace_result import Traced

FLOAT = 4  # bytes


def dense(net: Callable[[], nn.Module], batch: int, width: int, **changes: Any) -> Callable[[], Step]:
    """Builds a step of `net` on inputs (batch, width), its loss the mean of squares; SGD unless changed."""

    def build() -> Step:
        model = net()
        optimizer = changes.pop("optimizer", lambda: torch.optim.SGD(model.parameters(), lr=0.1))
        made = optimizer(model) if optimizer.__code__.co_argcount else optimizer
        return Step(
            model=model,
            optimizer=made,
            run=lambda inputs: model(inputs).float().square().mean(),
            batch=torch.zeros(batch, width),
            micro_batch_size=batch,
            **changes,
        )

    return build


def traced(build: Callable[[], Step], **how: Any) -> Traced:
    found = trace_step(build, **how)
    assert found.error == "" and found.events is not None, found.error
    return found


def allocated(events: Events, phase: str, module: str | None = None, step: int = 1) -> list[int]:
    """Sizes of the blocks allocated in a phase of a step, by a class of module."""
    chosen = (events.size > 0) & (events.step == step) & (events.phase == events.phases.index(phase))
    if module is not None:
        chosen &= events.module == (events.modules.index(module) if module in events.modules else -1)
    return [int(size) for size in events.size[chosen]]


def peak(events: Events, phase: str | None = None) -> int:
    """Highest live bytes, in a phase or at all."""
    live = events.live_bytes()
    return int(live.max() if phase is None else live[events.phase == events.phases.index(phase)].max())
