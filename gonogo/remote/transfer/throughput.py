"""A transfer's rate: limit, measurement, estimate, and how many streams are worth opening."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import paramiko

from gonogo.base.ranges import Range

NEAR_S = 0.005
FEW_BYTES = 1 << 20
MOST_STREAMS = 16
TRIAL_S, TRIAL_ROUND_TRIPS = 1.0, 10
WORTH_IT = 1.15
# seconds that remain at the present rate: for a second stream, which may not help; for more, once two did
WORTH_TRYING_S, WORTH_OPENING_S = 5.0, 3.0
FILE_S = 0.0004  # a small file costs about that on either side, beside its bytes
WINDOW_S = 5.0


class RateLimiter:
    """At most this rate, for all streams together; None: no limit."""

    def __init__(self, mbit_per_s: float | None) -> None:
        self._bytes_per_s = mbit_per_s * 1e6 / 8 if mbit_per_s else None
        self._lock = threading.Lock()
        self._free_at = 0.0

    @property
    def on(self) -> bool:
        return self._bytes_per_s is not None

    def take(self, count: int) -> None:
        """Wait until `count` bytes may pass."""
        if self._bytes_per_s is None:
            return
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + count / self._bytes_per_s
            wait = self._free_at - time.monotonic()
        time.sleep(max(0.0, wait))


@dataclass
class ThroughputMeter:
    """Bytes that passed, counted by all streams: the rate of the last seconds, and the time that is left."""

    total: int
    done: int = 0
    began: float = field(default_factory=time.monotonic)
    heard_at: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _marks: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, count: int) -> None:
        with self._lock:
            self.done += count
            self.heard_at = time.monotonic()

    def rate(self) -> float:
        """Bytes a second, over the calls of the last WINDOW_S seconds."""
        now = time.monotonic()
        self._marks.append((now, self.done))
        while len(self._marks) > 2 and now - self._marks[0][0] > WINDOW_S:
            self._marks.popleft()
        began, before = self._marks[0]
        return (self.done - before) / (now - began) if now > began else 0.0


class StreamScaling:
    """How many streams to open: one at first; twice as many as long as twice as many carry clearly more.

    On a clean link one stream fills it, on a lossy one each stream has the same small share, whatever the link can do
    (Mathis et al. 1997: rate ∝ 1 / (rtt · √loss)); only a trial shows which of the two it is. The first stream gets
    the time to reach its rate (TCP's slow start), because its own rise would look like the gain of a second one.
    """

    def __init__(self, rtt_s: float, total: int) -> None:
        self.streams, self._total = 1, total
        self._far = rtt_s >= NEAR_S and total >= FEW_BYTES
        self._trial_s = max(TRIAL_S, TRIAL_ROUND_TRIPS * rtt_s)
        self._settled = False
        self._best, self._last, self._since, self._before = 0.0, 0.0, 0.0, 0

    def more(self, done: int, now: float) -> int:
        """How many streams to add at this time (s), given the bytes that passed so far.

        More are added while the last ones helped, and when the rate has fallen to half of the best that was seen: a
        stream is fast until its first loss.
        """
        if not self._since:
            if done:
                self._since, self._before = now, done
            return 0
        if not self._far or now - self._since < self._trial_s:
            return 0
        rate = (done - self._before) / (now - self._since)
        self._since, self._before = now, done
        self._best = max(self._best, rate)
        rose, self._last = rate >= WORTH_IT * self._last, rate
        if not self._settled:
            self._settled = not rose
            if rose:
                return 0
        elif not rose and rate >= self._best / 2:
            return 0
        worth_s = WORTH_TRYING_S if self.streams == 1 else WORTH_OPENING_S
        if self._total - done < worth_s * rate or self.streams >= MOST_STREAMS:
            return 0
        added = min(self.streams, MOST_STREAMS - self.streams)
        self.streams += added
        return added


@dataclass(frozen=True)
class Probe:
    """What is known of the link before anything is sent."""

    rtt_s: float
    bytes_per_s: float


def estimate(size_bytes: int, files: int, probe: Probe) -> Range:
    """Seconds that this many bytes in this many files will take, from about a second of probing.

    Low: several streams carry twice as much, as on a lossy link. High: the link is used by others, too.
    """
    files_s = files * FILE_S
    sending_s = size_bytes / probe.bytes_per_s
    begin_s = 10 * probe.rtt_s
    return Range(
        low=begin_s + sending_s / 2, mid=begin_s + max(sending_s, files_s), high=begin_s + 2 * sending_s + files_s
    )


def round_trip_s(transport: paramiko.Transport) -> float:
    """The shortest that the kernel has measured on this connection; where it has none, one exchange is timed."""
    if hasattr(socket, "TCP_INFO"):
        try:
            link: Any = transport.sock
            info = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
            if len(info) >= 152:
                shortest = float(struct.unpack_from("I", info, 148)[0]) / 1e6  # tcpi_min_rtt, of Linux 4.6
                if shortest < 60:  # else it has seen none yet
                    return shortest
        except (OSError, AttributeError):
            pass
    began = time.monotonic()
    with contextlib.suppress(paramiko.ChannelException):  # a refusal is an answer, too
        transport.open_session(timeout=15).close()
    return time.monotonic() - began
