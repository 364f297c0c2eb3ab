"""Waiting in tests: for a condition, a line or a process, and never for ever."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import AnyStr

LIMIT_S = 300.0  # generous: a busy machine is slow, and only what hangs comes near it


def wait_for(done: Callable[[], object], seconds: float = 60.0, what: str = "") -> None:
    """Until `done()` is true; fails after `seconds`, naming what was waited for."""
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, f"still not after {seconds} s: {what or done}"
        time.sleep(0.02)


def lines_of(process: subprocess.Popen[AnyStr], seconds: float = LIMIT_S) -> Iterator[AnyStr]:
    """Of its stdout, as they come; after `seconds` the process is killed, and the test fails."""
    assert process.stdout is not None
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        for line in process.stdout:  # noqa: UP028  `yield from` would close the pipe when the reader stops
            yield line
        assert not late.is_set(), f"still no end of its output after {seconds} s"
    finally:
        timer.cancel()


def line_with(process: subprocess.Popen[AnyStr], part: AnyStr, seconds: float = LIMIT_S) -> AnyStr:
    """The first line of its stdout, of those not read yet, that has this; fails where none comes."""
    for line in lines_of(process, seconds):
        if part in line:
            return line
    raise AssertionError(f"its output ended without {part!r}")
