"""Measure one part of a data set; parts are measured in parallel and judged as one set.

A part is one data folder. What was measured of it lies in a folder of its own: `items.jsonl` (one line an item, in
the order of the scan) and `part.json` (how many, and the digest of all files). Nothing is summed up there that could
not be summed up exactly over any division into parts: that is done from the lines, when the set is judged.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Sequence, Set
from pathlib import Path

from gonogo.base.digests import FolderDigest, file_digest
from gonogo.base.errors import UserError
from gonogo.base.files import folder_replacing, write_text
from gonogo.quality.inspector import Inspector, StatisticsCache
from gonogo.quality.items import FileProblem
from gonogo.quality.left_out import left_out
from gonogo.quality.measured_set import CLOSER, ITEMS, PART, MeasuredPart
from gonogo.quality.registry import kind_of
from gonogo.quality.workers import measured_chunks

Progress = Callable[[int, int], None]


def measure_part(
    kind: str | Inspector,
    folder: Path,
    out: Path,
    progress: Progress | None = None,
    cache: StatisticsCache | None = None,
    whole: bool = False,
    elsewhere: Set[str] = frozenset(),
) -> MeasuredPart:
    """Measure one data folder into `out`, with as much memory for a million items as for a thousand.

    The part's `inputs_digest` is `gonogo.base.digests.folder_digest(folder)`, from hashes that were taken on the way.

    Args:
        kind: its name, or the inspector as a gate configured it.
        progress: called with (items done, items in all).
        cache: statistics of earlier scans; files with the same bytes are not decoded again.
        whole: no item of the data set is missing from it and the parts before it.
        elsewhere: endings of files that are judged as another kind, which this one could read, too.

    Raises:
        UserError: the folder is missing, or holds nothing of this kind.
    """
    kind, folder = kind_of(kind) if isinstance(kind, str) else kind, Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder. Generate the data, or name the folder that holds it.")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UserError(f"{folder}: may not be entered. Give yourself permission: chmod u+rx {folder}")
    items, others, unlisted = kind.scan(folder)
    if elsewhere:
        leave = tuple(elsewhere)
        others = [*others, *(file for item in items if item.name.lower().endswith(leave) for file in item.files)]
        items = [item for item in items if not item.name.lower().endswith(leave)]
    total, unreadable = _digest(folder, others)
    files = done = 0
    least: list[tuple[str, int]] = []
    with folder_replacing(out) as temporary:
        with (temporary / ITEMS).open("w") as lines:
            for chunk in measured_chunks(kind, items, cache or StatisticsCache()):
                lines.write(chunk.lines)
                of_chunk = zip(chunk.contents, range(done, done + chunk.items), strict=True)
                least = heapq.nsmallest(CLOSER, [*least, *((content, at) for content, at in of_chunk if content)])
                files += chunk.files
                total.merge(chunk.digest)
                for at in range(done, done + chunk.items if progress else 0):
                    progress(at + 1, len(items))  # type: ignore[misc]
                done += chunk.items
        labels, read = kind.labels_beside(folder, items, others, temporary / ITEMS)
        judged = set(read)
        part = MeasuredPart(
            kind=kind.name,
            folder=str(folder),
            items=len(items),
            files=files + len(judged),
            closer=[(content, kind.look_closer(items[at])) for content, at in least],
            unreadable=unreadable[:100],
            labels=labels,
            left_out=left_out(kind.metadata, str(folder), [name for name in others if name not in judged], unlisted),
            whole=whole,
            inputs_digest=total.hex(),
        )
        write_text(temporary / PART, part.model_dump_json(indent=1) + "\n")
    return part


def _digest(folder: Path, others: Sequence[str]) -> tuple[FolderDigest, list[FileProblem]]:
    """Of the files that are no items, and those of them that cannot be read."""
    total, unreadable = FolderDigest(), []
    for path in others:
        try:
            total.add(path, file_digest(folder / path))
        except OSError as error:
            unreadable.append(FileProblem(path=path, reason=f"cannot be read: {error.strerror}"))
    return total, unreadable
