"""Peaks of a script's stages, read off its events."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gonogo.memory.events import Events
from gonogo.script.card.facts import STAGES, Stage, StageName

WHY_NOT: dict[StageName, str] = {
    "first step": "the script made no training step on the card",
    "steady step": "the script made no second training step on the card",
    "validation": "the script did not validate within the pass",
    "checkpoint": "the script saved no checkpoint within the pass",
    "resume": "the script loaded no checkpoint",
}


def rows_of(events: Events, name: StageName, moments: Mapping[StageName, list[int]]) -> np.ndarray:
    """(N,) bool, which events belong to the stage; for one that allocates nothing, those just before its moments."""
    phases = events.phases
    apart = np.isin(events.phase, [index for index, phase in enumerate(phases) if phase in moments])
    if name == "first step":
        return ~apart & (events.step <= 0) if bool((events.step >= 0).any()) else np.zeros(len(events), bool)
    if name == "steady step":
        return ~apart & (events.step >= 1)
    found = (events.phase == phases.index(name)) if name in phases else np.zeros(len(events), bool)
    later = found & (events.step >= 1)
    found = later if later.any() else found  # before the first step there are no gradients and no optimizer state
    before = [row - 1 for row in moments.get(name, []) if 0 < row <= len(events)]
    found[before] = True
    return found


def stages_of(events: Events, moments: Mapping[StageName, list[int]], reserved_after: np.ndarray) -> list[Stage]:
    """Each stage with its peaks, or why it was not reached.

    Args:
        moments: stage → how many events there were when the script was in it.
        reserved_after: (N,) bytes that the allocator held after each event.
    """
    live, found = events.live_bytes(), []
    for name in STAGES:
        rows = rows_of(events, name, moments)
        if not rows.any():
            found.append(Stage(name=name, why_not=WHY_NOT[name]))
            continue
        peaks = int(live[rows].max()), int(reserved_after[rows].max())
        found.append(Stage(name=name, reached=True, live_bytes=peaks[0], reserved_bytes=peaks[1]))
    return found
