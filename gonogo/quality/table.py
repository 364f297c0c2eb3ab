"""A table for machines: every statistic of every item, in the order of the scan, one row at a time."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gonogo.base.files import replacing

Add = Callable[[dict[str, Any]], None]


@contextmanager
def table(out: Path) -> Iterator[Add]:
    """A CSV that grows by a row with each call; its columns are those of the first row.

    Written under a temporary name, renamed when the block ends well.
    """
    with replacing(out) as temporary, temporary.open("w", newline="") as stream:
        writer: csv.DictWriter[str] | None = None

        def add(row: dict[str, Any]) -> None:
            nonlocal writer
            if writer is None:
                writer = csv.DictWriter(stream, list(row), restval="", extrasaction="ignore")
                writer.writeheader()
            writer.writerow(row)

        yield add
