"""What the lines of a run's log mean: green, yellow and red flags, each with what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gonogo.config.device_choice import SLOWER
from gonogo.verdict import Status


@dataclass(frozen=True)
class Flag:
    """
    Attributes:
        status: GO green, CAUTION yellow, NO_GO red.
        meaning: what it says, and what to do.
        line: the first line that raised it.
    """

    status: Status
    meaning: str
    line: str


# a pattern of a line → weight, and what it means; the first that fits a line counts
FLAGS: list[tuple[re.Pattern[str], Status, str]] = [
    (re.compile(pattern, re.IGNORECASE), status, meaning)
    for pattern, status, meaning in (
        (r"\bnan\b(?!o)|\bloss (is )?-?inf", Status.NO_GO, "a NaN: the loss or a metric is no number; look at it now"),
        (r"out of memory|OutOfMemoryError|bad_alloc", Status.NO_GO, "out of memory: take the next smaller micro-batch"),
        (
            r"ModuleNotFoundError|ImportError|cannot import name",
            Status.NO_GO,
            "a package is missing on the machine: install it, or add it to requirements.lock",
        ),
        (
            r"FileNotFoundError|No such file or directory",
            Status.NO_GO,
            "a file is not where it should be: check the paths",
        ),
        (r"segmentation fault|SIGSEGV|core dumped", Status.NO_GO, "a crash below Python: report it with the log"),
        (r"No space left on device", Status.NO_GO, "the disk is full: checkpoints are not being kept"),
        (
            r"ended as 'aborted'; taken up again|CPU fallback",
            Status.CAUTION,
            f"the device aborted, and the CPU goes on from the last checkpoint: {SLOWER}",
        ),
        (
            r"HSA_STATUS_ERROR|illegal memory access|Memory access fault by GPU",
            Status.CAUTION,
            "the device faulted: the run aborts there, and goes on if its order has a fallback",
        ),
        (
            r"hipBLASLt.*(unsupported|not supported|fall|attempting)",
            Status.CAUTION,
            "hipBLASLt does not know this card: slower products are used instead, with right results",
        ),
        (
            r"dataloader.*(bottleneck|does not have many workers)",
            Status.CAUTION,
            "batches come slower than the device takes them: raise num_workers",
        ),
        (
            r"taken up again|is not whole, and is passed over",
            Status.CAUTION,
            "the run was taken up again after a fault",
        ),
        (r"training ended: .*; finished", Status.GO, "training ran to its end"),
    )
]


def flags(lines: Iterable[str]) -> list[Flag]:
    """The flags that a log raises, each once, gravest first."""
    found: dict[str, Flag] = {}
    for line in lines:
        flag = flag_of(line)
        if flag is not None:
            found.setdefault(flag.meaning, flag)
    order = [Status.NO_GO, Status.CAUTION, Status.GO]
    return sorted(found.values(), key=lambda flag: order.index(flag.status))


def flag_of(line: str) -> Flag | None:
    """What one line says; None: nothing out of the ordinary."""
    for pattern, status, meaning in FLAGS:
        if pattern.search(line):
            return Flag(status, meaning, line.strip())
    return None
