"""A data set is measured in parts, side by side, and judged as one set.

A part is one data folder. What was measured of it lies in a folder of its own: `items.jsonl` (one line an item, in
the order of the scan) and `part.json` (how many, and the digest of all files). Nothing is summed up there that could
not be summed up exactly over any division into parts: that is done from the lines, when the set is judged.
"""

from __future__ import annotations

import datetime as dt
import heapq
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from gonogo.errors import UserError
from gonogo.files import FolderDigest, digest, file_digest, folder_replacing, write_text
from gonogo.measured import Measured
from gonogo.quality.items import FileProblem, MeasuredItem
from gonogo.quality.kinds import Kind, Known, NothingKnown, kind_of
from gonogo.quality.left_out import LeftOut, left_out, summed
from gonogo.quality.workers import measured_chunks

ITEMS, PART = "items.jsonl", "part.json"

CLOSER = 12  # items of a part, and of a set, that are looked at more closely

Progress = Callable[[int, int], None]


class Part(Measured):
    """What `part.json` holds."""

    kind: str
    folder: str = Field(description="the data folder")
    items: int
    files: int = Field(description="that were to be read by a check")
    closer: list[tuple[str, int | None]] = Field(
        description="content, and what `look_closer` told, of the items with the least content hashes"
    )
    unreadable: list[FileProblem] = Field(description="the first files that could not be, of those of no item")
    left_out: list[LeftOut] = Field(description="what no check judged, by its sort")


def measure_part(
    kind: str | Kind,
    folder: Path,
    out: Path,
    progress: Progress | None = None,
    known: Known | None = None,
) -> Part:
    """Measure one data folder into `out`, with as much memory for a million items as for a thousand.

    The part's `inputs_digest` is `gonogo.files.folder_digest(folder)`, from hashes that were taken on the way.

    Args:
        kind: its name, or the inspector as a gate configured it.
        progress: called with (items done, items in all).
        known: statistics of earlier scans, so that bytes that were seen before are not decoded again.

    Raises:
        UserError: the folder is missing, or holds nothing of this kind.
    """
    kind, folder = kind_of(kind) if isinstance(kind, str) else kind, Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder. Generate the data, or name the folder that holds it.")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UserError(f"{folder}: may not be entered. Give yourself permission: chmod u+rx {folder}")
    items, others, unlisted = kind.scan(folder)
    total = FolderDigest()
    unreadable = []
    for path in others:
        try:
            total.add(path, file_digest(folder / path))
        except OSError as error:
            unreadable.append(FileProblem(path=path, reason=f"cannot be read: {error.strerror}"))
    files = done = 0
    least: list[tuple[str, int]] = []
    with folder_replacing(out) as temporary:
        with (temporary / ITEMS).open("w") as lines:
            for chunk in measured_chunks(kind, items, known or NothingKnown()):
                lines.write(chunk.lines)
                of_chunk = zip(chunk.contents, range(done, done + chunk.items), strict=True)
                least = heapq.nsmallest(CLOSER, [*least, *((content, at) for content, at in of_chunk if content)])
                files += chunk.files
                total.merge(chunk.digest)
                for at in range(done, done + chunk.items if progress else 0):
                    progress(at + 1, len(items))  # type: ignore[misc]
                done += chunk.items
        part = Part(
            kind=kind.name,
            folder=str(folder),
            items=len(items),
            files=files,
            closer=[(content, kind.look_closer(items[at])) for content, at in least],
            unreadable=unreadable[:100],
            left_out=left_out(kind, str(folder), others, unlisted),
            inputs_digest=total.hex(),
        )
        write_text(temporary / PART, part.model_dump_json(indent=1) + "\n")
    return part


@dataclass(frozen=True)
class MeasuredSet:
    """Parts that make up one set; iterating reads every item, one at a time, as often as one likes."""

    folders: tuple[Path, ...]  # of the measurements
    parts: tuple[Part, ...]

    @classmethod
    def read(cls, *folders: Path) -> MeasuredSet:
        """The set that these measurements make up.

        Raises:
            UserError: one is not a measurement of this version, or they are of different kinds.
        """
        parts = tuple(Part.read(Path(folder) / PART) for folder in folders)
        if len({part.kind for part in parts}) != 1:
            raise UserError(f"{', '.join(map(str, folders))}: not parts of one set, which has one kind of data")
        return cls(tuple(map(Path, folders)), parts)

    @property
    def kind(self) -> Kind:
        return kind_of(self.parts[0].kind)

    @property
    def data_folders(self) -> list[Path]:
        return [Path(part.folder) for part in self.parts]

    @property
    def measured_at(self) -> dt.datetime:
        return max(part.measured_at for part in self.parts)

    @property
    def inputs_digest(self) -> str:
        """`gonogo.evidence.data_digest` of the data folders."""
        return digest([part.inputs_digest for part in self.parts])

    @property
    def closer(self) -> list[int]:
        """What `look_closer` told of the set's items with the least content hashes: the same in any parts."""
        told = heapq.nsmallest(CLOSER, (one for part in self.parts for one in part.closer), key=lambda one: one[0])
        return [value for _, value in told if value is not None]

    @property
    def strays(self) -> list[FileProblem]:
        """Unreadable files that belong to no item."""
        return [problem for part in self.parts for problem in part.unreadable]

    @property
    def files(self) -> int:
        """That a check read, or was to read."""
        return sum(part.files for part in self.parts)

    @property
    def left_out(self) -> list[LeftOut]:
        """What no check judged, by its sort."""
        return summed(one for part in self.parts for one in part.left_out)

    def __len__(self) -> int:
        return sum(part.items for part in self.parts)

    def __iter__(self) -> Iterator[MeasuredItem]:
        model = self.kind.Item
        for folder in self.folders:
            with (folder / ITEMS).open() as lines:
                try:
                    yield from map(model.model_validate_json, lines)
                except ValueError as error:
                    problem = str(error).splitlines()[0]
                    raise UserError(
                        f"{folder / ITEMS}: not a measurement of this version ({problem}); remove it and run again"
                    ) from None
