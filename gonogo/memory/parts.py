"""The parts of a run in its events: building the model, ordinary steps, other batches, validation, a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gonogo.memory.part_names import CHECKPOINT, STEP, VALIDATION

if TYPE_CHECKING:
    import numpy as np

    from gonogo.memory.events import Events

APART = (VALIDATION, CHECKPOINT)


def part_at(events: Events, row: int, batches: Mapping[int, str]) -> str:
    """The part that an event belongs to.

    Args:
        batches: step → what its batch is, of those that are not the ordinary ones.
    """
    phase = events.phases[events.phase[row]]
    return phase if phase in APART else batches.get(int(events.step[row]), STEP)


def parts_of(events: Events, after: np.ndarray, batches: Mapping[int, str]) -> dict[str, int]:
    """Part → the highest of `after` in it, in the order in which they come.

    Args:
        after: (N,) bytes after each event.
    """
    import numpy as np

    apart = np.isin(events.phase, [events.phases.index(name) for name in APART if name in events.phases])
    others = np.isin(events.step, list(batches))
    rows = {STEP: ~apart & ~others}
    rows |= {what: ~apart & (events.step == number) for number, what in batches.items()}
    rows |= {name: events.phase == events.phases.index(name) for name in APART if name in events.phases}
    return {name: int(after[chosen].max()) for name, chosen in rows.items() if chosen.any()}
