"""What upload and download have in common: progress in the terminal, and what was sent, in words and as facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gonogo.base.units import duration, gigabytes
from gonogo.remote.transfer import ThroughputMeter, Transfer


def progress(show: Callable[[str], None]) -> Callable[[int, int], None]:
    """Shows bytes done, bytes in all, the rate and what is left."""
    meter = ThroughputMeter(0)

    def step(done: int, total: int) -> None:
        meter.done = done
        rate = meter.rate()
        left = duration((total - done) / rate) if rate else "?"
        show(f"{gigabytes(done)} of {gigabytes(total)}, {gigabytes(rate)}/s, {left} left")

    return step


def facts(moved: Transfer) -> dict[str, Any]:
    return {
        "files_sent": moved.files_sent, "bytes_sent": moved.bytes_sent, "files_total": moved.files_total,
        "bytes_total": moved.bytes_total, "seconds": moved.seconds, "path": moved.path,
    }  # fmt: skip


def summary(moved: Transfer, verb: str) -> str:
    return (
        f"{moved.files_sent} of {moved.files_total} files, {gigabytes(moved.bytes_sent)} of "
        f"{gigabytes(moved.bytes_total)} {verb} in {moved.seconds:.1f} s ({moved.path})"
    )
