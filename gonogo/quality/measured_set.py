"""Parts that were measured apart and make up one set."""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from gonogo.base.digests import digest
from gonogo.base.errors import UserError
from gonogo.measurements import Measured
from gonogo.quality.inspector import Inspector
from gonogo.quality.items import FileProblem, MeasuredItem
from gonogo.quality.left_out import LeftOut, summed
from gonogo.quality.registry import kind_of

ITEMS, PART = "items.jsonl", "part.json"
CLOSER = 12  # items of a part, and of a set, that are looked at more closely


class MeasuredPart(Measured):
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


@dataclass(frozen=True)
class MeasuredSet:
    """Parts that make up one set; iterating reads every item, one at a time, as often as one likes."""

    folders: tuple[Path, ...]  # of the measurements
    parts: tuple[MeasuredPart, ...]

    @classmethod
    def read(cls, *folders: Path) -> MeasuredSet:
        """The set that these measurements make up.

        Raises:
            UserError: one is not a measurement of this version, or they are of different kinds.
        """
        parts = tuple(MeasuredPart.read(Path(folder) / PART) for folder in folders)
        if len({part.kind for part in parts}) != 1:
            raise UserError(f"{', '.join(map(str, folders))}: not parts of one set, which has one kind of data")
        return cls(tuple(map(Path, folders)), parts)

    @property
    def kind(self) -> Inspector:
        return kind_of(self.parts[0].kind)

    @property
    def data_folders(self) -> list[Path]:
        return [Path(part.folder) for part in self.parts]

    @property
    def measured_at(self) -> dt.datetime:
        return max(part.measured_at for part in self.parts)

    @property
    def inputs_digest(self) -> str:
        """`gonogo.stages.freshness.data_digest` of the data folders."""
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
