"""What a step's peak is made of: by purpose, and its activations by module."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gonogo.memory.events import Events

ACTIVATIONS = "activations"
# what a block is for whose owner is not known, by the phase that allocated it
_BY_PHASE = {"model": "weights and buffers", "batch": "batch", "forward": ACTIVATIONS, "loss": ACTIVATIONS}
TEMPORARY = "temporary"


def components(events: Events, kinds: Mapping[int, str]) -> dict[str, int]:
    """Bytes at the peak of live bytes, by purpose, largest first. They sum up to the peak.

    Args:
        kinds: block → what it is, for those whose owner is known.
    """
    found: dict[str, int] = {}
    for row in _alive_at_peak(events):
        name = _purpose(events, int(row), kinds)
        found[name] = found.get(name, 0) + int(events.size[row])
    return _largest_first(found)


def activations_by_module(events: Events, kinds: Mapping[int, str]) -> dict[str, int]:
    """Bytes of the activations in that peak, by the class of the module that made them, largest first."""
    found: dict[str, int] = {}
    for row in _alive_at_peak(events):
        if _purpose(events, int(row), kinds) == ACTIVATIONS:
            name = events.modules[events.module[row]] or "outside of modules"
            found[name] = found.get(name, 0) + int(events.size[row])
    return _largest_first(found)


def _alive_at_peak(events: Events) -> np.ndarray:
    """Rows that allocated what is alive when live bytes are highest."""
    if not len(events):
        return np.array([], dtype=np.int64)
    upto = slice(0, int(events.live_bytes().argmax()) + 1)
    block, size = events.block[upto], events.size[upto]
    gone = np.isin(block, block[size < 0])
    return np.flatnonzero((size > 0) & ~gone)


def _purpose(events: Events, row: int, kinds: Mapping[int, str]) -> str:
    known = kinds.get(int(events.block[row]))
    return known or _BY_PHASE.get(events.phases[events.phase[row]], TEMPORARY)


def _largest_first(found: dict[str, int]) -> dict[str, int]:
    return dict(sorted(found.items(), key=lambda item: -item[1]))
