"""What a traced step has allocated from its begin to its end, as few enough points for a chart."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from gonogo.memory.parts import APART

if TYPE_CHECKING:
    from gonogo.memory.events import Events

MOST_POINTS = 240


class StepCurve(BaseModel):
    """One ordinary step, allocation by allocation: the one that needs the most."""

    live_bytes: list[int] = Field(description="that tensors ask for; of several events, the most")
    events: int = Field(description="allocations and releases that the points stand for, in equal parts")
    phases: dict[str, float] = Field(
        description="what the step does → where it does so first, as a share of its events"
    )


def step_curve(events: Events, batches: Mapping[int, str]) -> StepCurve | None:
    """The curve; None: no ordinary step was traced.

    Args:
        batches: step → what its batch is, of those that are not the ordinary ones.
    """
    import numpy as np

    apart = np.isin(events.phase, [events.phases.index(name) for name in APART if name in events.phases])
    ordinary = ~apart & ~np.isin(events.step, list(batches)) & (events.step >= 0)
    if not ordinary.any():
        return None
    live = events.live_bytes()
    step = events.step[ordinary][live[ordinary].argmax()]
    rows = ordinary & (events.step == step)
    after, phases = live[rows], events.phase[rows]
    edges = np.linspace(0, len(after), min(MOST_POINTS, len(after)) + 1).astype(int)
    firsts = {events.phases[number]: int((phases == number).argmax()) for number in np.unique(phases)}
    return StepCurve(
        live_bytes=[int(after[begin:end].max()) for begin, end in pairwise(edges)],
        events=len(after),
        phases={name: row / len(after) for name, row in sorted(firsts.items(), key=lambda item: item[1])},
    )
