"""How fast is this machine, in the two figures that training is bound by? Half a second in all."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

REPEATS = 4


def _best_s(run: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        started = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - started)
    return best


def tflops_fp32(size: int = 1024) -> float:
    """Of a square fp32 matrix product, with the threads that training uses."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / _best_s(lambda: a @ b) / 1e12


def bandwidth_gb_s(megabytes: int = 128) -> float:
    """Of a copy: bytes read plus bytes written, GB/s."""
    source = torch.ones(megabytes * 250_000)
    target = torch.empty_like(source)
    return 2 * source.numel() * 4 / _best_s(lambda: target.copy_(source)) / 1e9
