"""How long each stage will take whose work grows with the data: by what a part of it took, or by its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gonogo.base.files import survey_size
from gonogo.base.ranges import Range
from gonogo.base.units import duration, gigabytes
from gonogo.forecast.forecast import StageTime

SPREAD = Range(low=0.7, mid=1.0, high=1.6)  # of a part that took seconds, on a machine that others use as well
# Mbit/s at least, likely and at most, before the machine has been reached; on loopback what small files came to
LINK, LOOPBACK = Range(low=10, mid=100, high=1000), Range(low=80, mid=400, high=4000)


def size_bytes(folders: Sequence[Path]) -> int:
    """Of folders, and of files."""
    return sum(folder.stat().st_size if folder.is_file() else survey_size(folder)[1] for folder in folders)


def by_items(stage: str, part_s: float, part_items: int, items: int, side_by_side: int = 1) -> StageTime:
    """A stage that does the same with each item, from a part of them that was timed.

    Args:
        side_by_side: parts of the set that are done at a time.
    """
    seconds = SPREAD.scaled(part_s * items / max(1, part_items) / side_by_side)
    return StageTime(stage=stage, seconds=seconds, basis=f"{items} items; {part_items} took {duration(part_s)}")


def by_bytes(stage: str, size: int, *, loopback: bool, mbit_per_s: float | None = None) -> StageTime:
    """A transfer, before its link is known: the machine is not reached before the launch gate.

    Args:
        loopback: the machine is this one.
        mbit_per_s: that it may take of the network; None: all of it.
    """
    link = LOOPBACK if loopback else LINK
    slow, likely, fast = (min(rate, mbit_per_s or rate) for rate in (link.low, link.mid, link.high))
    seconds = Range(**{name: 8e-6 * size / rate for name, rate in (("low", fast), ("mid", likely), ("high", slow))})
    assumed = f"{gigabytes(size)} at {likely:g} Mbit/s ({slow:g} to {fast:g}), assumed: the link is not known yet"
    return StageTime(stage=stage, seconds=seconds, basis=assumed)
