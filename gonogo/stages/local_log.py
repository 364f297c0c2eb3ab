"""The copy of a run's log on this machine: lines safe to show, and never more than a share of the disk."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from gonogo.base.text import shown

LINE_CHARACTERS = 16 << 10
LOG_AT_MOST_CHARACTERS = 256 << 20
KEPT_LINES = 2000  # of the canary's: its few steps, and what led to them


def safe_line(text: str) -> str:
    """A line of the machine's, cut and without terminal escapes."""
    return shown(text[:LINE_CHARACTERS]).replace("\n", " ")


class LocalLog:
    """Writes lines to a file, from its beginning. What it cannot write is said once, and ends nothing.

    Args:
        say: called with the reason where the file ends before the log does.
    """

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self._path, self._say = path, say
        self._room = LOG_AT_MOST_CHARACTERS
        self._file: TextIO | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("w", buffering=1, encoding="utf-8")
        except OSError as error:
            self._stop(str(error.strerror))

    def line(self, text: str) -> None:
        if self._file is None:
            return
        self._room -= len(text) + 1
        if self._room < 0:
            self._stop(f"it is longer than {LOG_AT_MOST_CHARACTERS >> 20} MiB")
            return
        try:
            self._file.write(text + "\n")
        except OSError as error:
            self._stop(str(error.strerror))

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()

    def _stop(self, why: str) -> None:
        self.close()
        self._say(f"{self._path}: the rest of the log is not written here ({why}); the machine has all of it")


class LastLines:
    """The last lines of a log."""

    def __init__(self) -> None:
        self._last: deque[str] = deque(maxlen=KEPT_LINES)
        self._count = 0

    def add(self, line: str) -> None:
        self._count += 1
        self._last.append(line[:LINE_CHARACTERS])

    @property
    def lines(self) -> list[str]:
        return list(self._last)

    @property
    def text(self) -> str:
        """With a line that says how many are left out."""
        left_out = self._count - len(self._last)
        return "\n".join([*([f"[{left_out} lines left out]"] if left_out else []), *self._last]) + "\n"
