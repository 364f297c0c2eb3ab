"""Parts that were measured apart and make up one set."""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeVar

from pydantic import Field

from gonogo.base.digests import digest
from gonogo.base.errors import UserError
from gonogo.measurements import Measured
from gonogo.quality.items import FileProblem, MeasuredItem
from gonogo.quality.label_findings import Form, LabelFindings, summed_findings
from gonogo.quality.left_out import LeftOut, summed

ITEMS, PART = "items.jsonl", "part.json"
Item = TypeVar("Item", bound=MeasuredItem)
CLOSER = 12  # items of a part, and of a set, that `look_closer` measures


class MeasuredPart(Measured):
    """What `part.json` holds."""

    kind: str
    folder: str = Field(description="the data folder")
    items: int
    files: int = Field(description="that were to be read by a check")
    closer: list[tuple[str, int | None]] = Field(
        description="content, and what `look_closer` measured, of the items with the least content hashes"
    )
    unreadable: list[FileProblem] = Field(description="the first files that could not be, of those of no item")
    left_out: list[LeftOut] = Field(description="what no check judged, by its sort")
    labels: list[LabelFindings] = Field(default_factory=list, description="what labels beside the items show, by form")
    whole: bool = Field(
        default=False, description="no item of the data set is missing: it is no sample of a larger one"
    )


@dataclass(frozen=True)
class MeasuredSet:
    """Parts that make up one set of items of one kind."""

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

    def without(self, endings: Set[str]) -> MeasuredSet:
        """Where files of these endings count as judged elsewhere, and not as left out."""
        last = {PurePath(ending).suffix or ending for ending in endings}
        parts = [
            part.model_copy(update={"left_out": [files for files in part.left_out if files.sort not in last]})
            for part in self.parts
        ]
        return MeasuredSet(self.folders, tuple(parts)) if endings else self

    @property
    def kind(self) -> str:
        """Name of the kind of data."""
        return self.parts[0].kind

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
        """`look_closer` of the set's items with the least content hashes: the same items in any division into parts."""
        figures = heapq.nsmallest(
            CLOSER, (pair for part in self.parts for pair in part.closer), key=lambda pair: pair[0]
        )
        return [figure for _, figure in figures if figure is not None]

    @property
    def strays(self) -> list[FileProblem]:
        """Unreadable files that belong to no item."""
        return [problem for part in self.parts for problem in part.unreadable]

    @property
    def whole(self) -> bool:
        """Whether a sample holds all items that there are."""
        return any(part.whole for part in self.parts)

    @property
    def files(self) -> int:
        """That a check read, or was to read."""
        return sum(part.files for part in self.parts)

    @property
    def left_out(self) -> list[LeftOut]:
        """What no check judged, by its sort."""
        return summed(files for part in self.parts for files in part.left_out)

    @property
    def labels(self) -> dict[Form, LabelFindings]:
        """What labels beside the items show, by form."""
        return summed_findings(found for part in self.parts for found in part.labels)

    def __len__(self) -> int:
        return sum(part.items for part in self.parts)

    def items(self, model: type[Item]) -> Iterator[Item]:
        """Every item, read one at a time.

        Raises:
            UserError: an item was not measured by this version.
        """
        for folder in self.folders:
            with (folder / ITEMS).open() as lines:
                try:
                    yield from map(model.model_validate_json, lines)
                except ValueError as error:
                    problem = str(error).splitlines()[0]
                    raise UserError(
                        f"{folder / ITEMS}: not a measurement of this version ({problem}); remove it and run again"
                    ) from None
