"""How many processes can compute at once."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Of those that this process may use; all of the machine's where the system does not say (macOS)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
