"""What the lines of a run's log mean: green, yellow and red flags, each with what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gonogo.base.known_errors import ends_of, known_error
from gonogo.base.text import clean
from gonogo.config.device_choice import SLOWER
from gonogo.verdict import Status


@dataclass(frozen=True)
class Flag:
    """Something that a run's log says, and how grave it is."""

    status: Status  # GO green, CAUTION yellow, NO_GO red
    meaning: str  # what it says, and what to do
    line: str  # the first line that raised it, safe to show


# a pattern of a line that the agent or training writes → status and meaning; the first that fits counts
EVENTS = {
    re.compile(r"ended as 'aborted'; resuming"): (
        Status.CAUTION, f"the device aborted, and the CPU goes on from the last checkpoint: {SLOWER}",
    ),
    re.compile(r"; resuming|is incomplete and is skipped"): (
        Status.CAUTION, "the run was resumed after a fault",
    ),
    re.compile(r"training ended: .*; finished"): (Status.GO, "training ran to its end"),
}  # fmt: skip


LONGEST_LINE_BYTES = 64 << 10  # as the agent cuts them
READ_BYTES, READ_LINES, EMPTY_LINES = 256 << 20, 500_000, 1_000_000  # the agent writes no more bytes
ENDS_CHARACTERS = 500  # of a line, at each end: half a million lines are matched
END_BYTES = 1 << 20  # of a longer log its end is read, too


@dataclass(frozen=True)
class LogLines:
    """The lines of a log, read again by each loop; none where there is no log. Of a very long one its two ends."""

    path: Path

    def __iter__(self) -> Iterator[str]:
        if not self.path.is_file():
            return
        size_bytes = self.path.stat().st_size
        with self.path.open("rb") as log:
            yield from self._lines(log, READ_BYTES)
            place = log.tell()
            if place < size_bytes:
                log.seek(max(place, size_bytes - END_BYTES))
                yield from self._lines(log, size_bytes)

    @staticmethod
    def _lines(log: BinaryIO, until_bytes: int) -> Iterator[str]:
        """Without empty ones."""
        count = empty = 0
        while count < READ_LINES and empty < EMPTY_LINES and log.tell() < until_bytes:
            if not (line := log.readline(LONGEST_LINE_BYTES)):
                return
            text = ends_of(line.decode(errors="replace").rstrip("\r\n"), ENDS_CHARACTERS)
            if text:
                count += 1
                yield text
            else:
                empty += 1


def flags(lines: Iterable[str]) -> list[Flag]:
    """The flags that a log raises, each once, gravest first."""
    raised: dict[str, Flag] = {}
    for line in lines:
        flag = flag_of(line)
        if flag is not None:
            raised.setdefault(flag.meaning, flag)
    return sorted(raised.values(), key=lambda flag: -flag.status.severity)


def flag_of(line: str) -> Flag | None:
    """What one line says; None: nothing out of the ordinary."""
    line = ends_of(line, ENDS_CHARACTERS)
    for pattern, (status, meaning) in EVENTS.items():
        if pattern.search(line):
            return Flag(status, meaning, clean(line))
    if known := known_error(line):
        return Flag(Status(known.status), f"{known.meaning}. {known.hint}", clean(line))
    return None
