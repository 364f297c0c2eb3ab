"""What a stage says: to the person in front of the terminal, and to its log."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from typing import TextIO


@dataclass
class StageTerminal:
    """One stage's lines in the terminal, each with its name, and its log file."""

    stage: str
    experiment: str
    log: TextIO

    @property
    def colour(self) -> bool:
        return sys.stderr.isatty() and "NO_COLOR" not in os.environ

    def say(self, text: str) -> None:
        """One line for the terminal and the log."""
        self.end_progress()
        print(f"{self.experiment:10s} {self.stage:15s} {text}", file=sys.stderr, flush=True)
        self.note(text)

    def note(self, text: str) -> None:
        """One line for the log alone."""
        print(time.strftime("%H:%M:%S"), text, file=self.log, flush=True)

    def progress(self, text: str) -> None:
        """A line that the next one replaces; only where someone is looking at a terminal."""
        if sys.stderr.isatty():
            print(f"\r\x1b[2K{self.experiment:10s} {self.stage:15s} {text}", end="", file=sys.stderr, flush=True)

    def end_progress(self) -> None:
        if sys.stderr.isatty():
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
