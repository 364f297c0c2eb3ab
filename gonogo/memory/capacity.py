"""How much memory a card has, as the framework sees it."""

from __future__ import annotations

from gonogo.config.accelerator import Accelerator
from gonogo.config.gate_thresholds import MemoryGate

LEAST_ROOM_BYTES = 1e9


def capacity_bytes(accelerator: Accelerator) -> int | None:
    """The catalogue's figure; for this machine's processor its RAM, measured; None where neither is known."""
    if accelerator.visible_bytes is not None:
        return accelerator.visible_bytes
    if not accelerator.is_this_machine:
        return None
    import psutil

    return int(psutil.virtual_memory().total)


def is_tight(needed_bytes: int, capacity_bytes: int, gate: MemoryGate) -> bool:
    """Less room is left than the gate wants."""
    margin = max(LEAST_ROOM_BYTES, gate.caution_margin * capacity_bytes, gate.estimate_error * needed_bytes)
    return capacity_bytes - needed_bytes < margin
