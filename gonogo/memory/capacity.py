"""How much memory a card has, as the framework sees it."""

from __future__ import annotations

import psutil

from gonogo.config.accelerator import Accelerator


def capacity_bytes(accelerator: Accelerator) -> int | None:
    """The catalogue's figure; for this machine's processor its RAM, measured; None where neither is known."""
    if accelerator.visible_bytes is not None:
        return accelerator.visible_bytes
    return int(psutil.virtual_memory().total) if accelerator.is_this_machine else None
