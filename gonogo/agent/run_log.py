"""A run's log: each line after a UTC time, as a terminal would show it in the end."""

from __future__ import annotations

import contextlib
import os
import re
import select
import time
from pathlib import Path

from .timings import DRAIN_S

READ_BYTES = 1 << 20
LONGEST_LINE_BYTES = 64 << 10


def log_part(run_dir: Path, offset: int, limit_bytes: int = READ_BYTES) -> bytes:
    """Bytes of the log from `offset`."""
    try:
        with (run_dir / "log.txt").open("rb") as log:
            log.seek(offset)
            return log.read(limit_bytes)
    except FileNotFoundError:
        return b""


def utc(seconds: float) -> str:
    """ISO 8601 with milliseconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03d}Z"


def _as_shown(line: bytes) -> bytes:
    """Of a progress bar, what follows its last carriage return."""
    return line.rstrip(b"\r").rpartition(b"\r")[2]


class RunLog:
    """Writes the output of a run's attempts, and notes when it last made progress.

    Args:
        progress: regular expression of a line that is progress; empty: every line.

    Attributes:
        progressed: this attempt has made progress.
    """

    def __init__(self, run_dir: Path, progress: str) -> None:
        self._file = os.open(str(run_dir / "log.txt"), os.O_WRONLY | os.O_APPEND)
        self._progress = re.compile(progress.encode()) if progress else None
        self._pending = b""
        self.begin_attempt()

    def begin_attempt(self) -> None:
        self.attempt_offset = self.size_bytes
        self.last_output_at, self._progress_seen, self.progressed = time.time(), time.monotonic(), False

    @property
    def size_bytes(self) -> int:
        return os.fstat(self._file).st_size

    def silent_s(self) -> float:
        """Since the last progress, or the attempt's start."""
        return time.monotonic() - self._progress_seen

    def note(self, text: str) -> None:
        """A line of the agent's own."""
        with contextlib.suppress(OSError):
            os.write(self._file, f"{utc(time.time())} [agent] {text}\n".encode())

    def read(self, output: int) -> bool:
        """Log what the pipe holds now; False at its end."""
        data = os.read(output, READ_BYTES)
        if data:
            self.last_output_at = time.time()
        lines = (self._pending + data).split(b"\n")
        self._pending = _as_shown(lines.pop())
        if len(self._pending) > LONGEST_LINE_BYTES:
            lines.append(self._pending)
            self._pending = b""
        self._write(lines)
        return bool(data)

    def drain(self, output: int) -> None:
        """What is still in the pipe; not for long, because a process that escaped the group may hold it open."""
        until = time.monotonic() + DRAIN_S
        while select.select([output], [], [], max(0.0, until - time.monotonic()))[0] and self.read(output):
            pass
        if self._pending:
            self._write([self._pending])
            self._pending = b""

    def _write(self, lines: list[bytes]) -> None:
        stamp = utc(time.time()).encode()
        text = b"".join(stamp + b" " + _as_shown(line) + b"\n" for line in lines)
        with contextlib.suppress(OSError):  # a full disk must not end the run
            os.write(self._file, text)
        if lines and (self._progress is None or any(self._progress.search(line) for line in lines)):
            self._progress_seen, self.progressed = time.monotonic(), True
