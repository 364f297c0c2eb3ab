"""What a stage says: to the person in front of the terminal, and to its log."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from dataclasses import dataclass
from typing import TextIO

from gonogo.base.text import clean, shown

CLEAR_LINE = "\r\x1b[2K"


@dataclass
class StageTerminal:
    """One stage's lines in the terminal, each with its name, and its log file; none can draw there.

    A full disk, or a terminal that was closed, ends no stage.
    """

    stage: str
    experiment: str
    log: TextIO

    @property
    def colour(self) -> bool:
        return sys.stderr.isatty() and "NO_COLOR" not in os.environ

    def say(self, text: str, painted: str = "") -> None:
        """One line for the terminal and the log.

        Args:
            painted: the same with colours of ours, for a terminal; it is not cleaned.
        """
        self.end_progress()
        _write(sys.stderr, f"{self._name}{(self.colour and painted) or shown(text)}\n")
        self.note(text)

    def note(self, text: str) -> None:
        """One line for the log alone."""
        _write(self.log, f"{time.strftime('%H:%M:%S')} {shown(text)}\n")

    def progress(self, text: str) -> None:
        """A line that the next one replaces; only where someone is looking at a terminal."""
        progress(f"{self._name}{clean(text)}")

    def end_progress(self) -> None:
        end_progress()

    @property
    def _name(self) -> str:
        return f"{self.experiment:10s} {self.stage:15s} "


def progress(text: str) -> None:
    """A line that the next one replaces; only where someone is looking at a terminal."""
    if sys.stderr.isatty():
        _write(sys.stderr, f"{CLEAR_LINE}{text}")


def end_progress() -> None:
    """Remove that line."""
    if sys.stderr.isatty():
        _write(sys.stderr, CLEAR_LINE)


def _write(stream: TextIO, text: str) -> None:
    with contextlib.suppress(OSError):
        stream.write(text)
        stream.flush()
