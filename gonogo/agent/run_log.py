"""A run's log: each line after a UTC time, as a terminal would show it in the end."""

from __future__ import annotations

import contextlib
import os
import re
import select
import time
from pathlib import Path

from .exit_cause import LAST_WORDS_BYTES
from .timings import DRAIN_S, LOG_AT_MOST_BYTES, QUIET_S

READ_BYTES = 1 << 20
LONGEST_LINE_BYTES = 64 << 10
THINNED_TO_S = 1.0  # between two lines of a log that has its full size


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

    A log that has LOG_AT_MOST_BYTES gets one line a second more, and each attempt's end.

    Args:
        progress: regular expression of a line that is progress; empty: every line.

    Attributes:
        progressed: this attempt has made progress.
        last_words: the end of what this attempt has said, LAST_WORDS_BYTES at most, also where the disk is full.
    """

    def __init__(self, run_dir: Path, progress: str) -> None:
        self._file = os.open(str(run_dir / "log.txt"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        self._progress = re.compile(progress.encode()) if progress else None
        self._pending, self._piece = b"", b""
        self._lost = False
        self._thinned, self._kept_at = self.size_bytes >= LOG_AT_MOST_BYTES, 0.0
        self.begin_attempt()

    def begin_attempt(self) -> None:
        self.last_output_at, self._progress_seen, self.progressed = time.time(), time.monotonic(), False
        self.last_words = b""

    @property
    def size_bytes(self) -> int:
        with contextlib.suppress(OSError):
            return os.fstat(self._file).st_size
        return 0

    def silent_s(self) -> float:
        """Since the last progress, or the attempt's start."""
        return time.monotonic() - self._progress_seen

    def quiet_s(self) -> float:
        """The same where it is worth a word; 0 while it is not: a first batch, or a validation, may take a moment."""
        silent_s = self.silent_s()
        return round(silent_s, 1) if silent_s > QUIET_S else 0.0

    def note(self, text: str) -> None:
        """A line of the agent's own."""
        self._append(f"{utc(time.time())} [agent] {text}\n".encode())

    def read(self, output: int) -> bool:
        """Log what the pipe holds now; False at its end."""
        data = os.read(output, READ_BYTES)
        if data:
            self.last_output_at = time.time()
            self._look_for_progress(data)
        lines = (self._pending + data).split(b"\n")
        rest = lines.pop()
        self._pending = _as_shown(rest) + (b"\r" if rest.endswith(b"\r") else b"")
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
        self._look_for_progress(b"\n")
        if self._thinned:
            self.note("the last words of this attempt:")
            self._append(self.last_words)

    def _look_for_progress(self, data: bytes) -> None:
        """In lines, and in the states of a progress bar."""
        pieces = re.split(rb"[\r\n]", self._piece + data)
        self._piece = pieces.pop()[-LONGEST_LINE_BYTES:]
        if pieces and (self._progress is None or any(self._progress.search(piece) for piece in pieces)):
            self._progress_seen, self.progressed = time.monotonic(), True

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        stamp = utc(time.time()).encode()
        stamped = [stamp + b" " + _as_shown(line) + b"\n" for line in lines]
        text = b"".join(stamped)
        self.last_words = (self.last_words + text)[-LAST_WORDS_BYTES:]
        if not self._thinned and self.size_bytes + len(text) > LOG_AT_MOST_BYTES:
            size = f"{LOG_AT_MOST_BYTES >> 20} MiB"
            self.note(f"the log is cut here, at {size}: from here on it has one line a second, and each attempt's end")
            self._thinned = True
        if self._thinned:
            now = time.monotonic()
            if now - self._kept_at < THINNED_TO_S:
                return
            self._kept_at, text = now, stamped[-1]
        self._append(text)

    def _append(self, text: bytes) -> None:
        """A full disk must not end the run; where lines were lost, the log says so as soon as it can."""
        try:
            if self._lost and text:
                missing = f"\n{utc(time.time())} [agent] lines are missing here: the log could not be written\n"
                self._lost = os.write(self._file, missing.encode()) < len(missing)
            if os.write(self._file, text) < len(text):
                self._lost = True
        except OSError:
            self._lost = True
