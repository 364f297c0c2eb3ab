"""What uploads and downloads share: what they report, and what they measure of the link."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from gonogo.agent.files import NO_DATA
from gonogo.base.ranges import Range
from gonogo.remote.machine import Machine
from gonogo.remote.transfer.throughput import RateLimiter, ThroughputMeter

HASHING_S = 3600.0
SLICE_BYTES = 64 << 10
PACKING_BYTES_PER_S = 40e6  # zlib on one core; a faster link would wait for it
SETTLED_S = 1.0
NAMED = 5
PROBES_BYTES, PROBE_S = (1 << 17, 1 << 19, 1 << 21, 1 << 23), 0.3

Progress = Callable[[int, int], None]
Ahead = Callable[[int, int, Range], None]


def no_word(size_bytes: int, files: int, seconds: Range) -> None:
    """No estimate is wanted; the link is not probed."""


@dataclass(frozen=True)
class Transfer:
    """What was transferred, of what total, and how."""

    files_sent: int
    bytes_sent: int
    files_total: int
    bytes_total: int
    seconds: float
    path: str
    missing: dict[str, str] = field(default_factory=dict)  # name, safe to show, → why the file could not be transferred
    folder: str = ""  # of a download, where it is

    @property
    def lost(self) -> bool:
        """Whether data was left on the machine."""
        return any(reason != NO_DATA for reason in self.missing.values())


def shown_missing(missing: Mapping[str, str]) -> str:
    """The first names and their reasons, in words."""
    first = "; ".join(f"{name}: {reason}" for name, reason in islice(sorted(missing.items()), NAMED))
    return first + (f"; and {len(missing) - NAMED} more" if len(missing) > NAMED else "")


def question(asked: object) -> bytes:
    """As `gonogo.agent.incoming.answer_first` reads it."""
    text = json.dumps(asked).encode()
    return b"?%d\n" % len(text) + text


def packing_pays(rtt_s: float, meter: ThroughputMeter) -> bool:
    """Whether the link is slower than a compressor: by its distance at first, by measurement after a second."""
    elapsed = time.monotonic() - meter.began
    if elapsed < SETTLED_S:
        return rtt_s > 0.005
    return meter.done / elapsed < PACKING_BYTES_PER_S


def sliced(buffer: bytes, limiter: RateLimiter) -> Iterator[bytes]:
    """The buffer, in small parts as fast as the limiter lets them pass."""
    if not limiter.on:
        yield buffer
        return
    for offset in range(0, len(buffer), SLICE_BYTES):
        part = buffer[offset : offset + SLICE_BYTES]
        limiter.take(len(part))
        yield part


def link_rate(machine: Machine, total: int) -> float:
    """Bytes a second towards the machine, by sending data that it discards, for about a second at most."""
    rate = float("inf")
    for size in PROBES_BYTES:
        began = time.monotonic()
        with machine.start(["sh", "-c", "cat > /dev/null"]) as channel:
            channel.write(os.urandom(size))
            channel.end_input()
            channel.check()
        elapsed = time.monotonic() - began
        rate = size / elapsed
        if elapsed > PROBE_S or size > total:
            break
    limit = machine.target.max_mbit_per_s
    return min(rate, limit * 1e6 / 8) if limit else rate
