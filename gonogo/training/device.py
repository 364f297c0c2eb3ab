"""What this process trains on, and how much of its memory was needed."""

from __future__ import annotations

import resource
import sys

from gonogo.config.device_choice import gpu_hidden


def peak_memory_bytes() -> int:
    """Reserved by the allocator on a GPU, the process's high-water mark on a CPU."""
    import torch

    if not gpu_hidden() and torch.cuda.is_available():
        return torch.cuda.max_memory_reserved()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def device_name() -> str:
    import torch

    return torch.cuda.get_device_name() if not gpu_hidden() and torch.cuda.is_available() else "cpu"
