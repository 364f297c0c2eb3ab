"""A table as it was measured, and what is usual in its set."""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from gonogo.base.models import ClosedModel
from gonogo.quality.file_kind import Overview
from gonogo.quality.hash_samples import EVERY, SplitHashes
from gonogo.quality.items import MeasuredItem


class Column(ClosedModel):
    """One column of one file."""

    name: str
    kind: str = Field(description="number, text, bool, empty, or Arrow's own word: list, struct, binary")
    missing: int = 0
    constant: bool = Field(default=False, description="one value wherever there is one")
    infinite: int = 0
    words: int = Field(default=0, description="cells of a column of numbers that are none")
    word: str = Field(default="", description="the first of them")


class TableItem(MeasuredItem):
    """One file of rows."""

    rows: int = 0
    odd_rows: int = Field(default=0, description="with more or fewer cells than there are names; left out below")
    odd_row: str = ""
    columns: list[Column] = Field(default_factory=list)
    repeated_rows: int = Field(default=0, description="whose cells, but for target and ids, are those of another")
    row_hashes: str = Field(default="", description="base64 of 64 bits a row, the least ones")
    row_limit: int = Field(default=EVERY, description="hash up to which no row is left out")
    target: str = Field(default="", description="column; empty: none is known")
    classes: dict[str, int] = Field(default_factory=dict, description="rows by the target's value; empty: many values")
    copies: list[str] = Field(default_factory=list, description="columns that say the target")


class TableOverview(Overview):
    """The usual columns, and what only all rows show."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = self.target_missing = 0
        self.rows_hashes = SplitHashes()
        self.classes: Counter[str] = Counter()
        self.classes_of: dict[str, Counter[str]] = {}
        self.copies: Counter[str] = Counter()
        self.targets: Counter[str] = Counter()
        self.files = 0
        self._kinds: dict[str, Counter[str]] = {}
        self._names: Counter[tuple[str, ...]] = Counter()

    def add(self, item: MeasuredItem) -> None:
        super().add(item)
        assert isinstance(item, TableItem)
        if item.problems or not item.columns:
            return
        self.files += 1
        self.rows += item.rows
        self.rows_hashes.add(item.split, item.path, item.row_hashes, item.row_limit)
        self.classes.update(item.classes)
        self.classes_of.setdefault(item.split, Counter()).update(item.classes)
        self.copies.update(item.copies)
        if item.target:
            self.targets[item.target] += 1
            self.target_missing += next(column.missing for column in item.columns if column.name == item.target)
        self._names[tuple(column.name for column in item.columns)] += 1
        for column in item.columns:
            if column.kind != "empty":
                self._kinds.setdefault(column.name, Counter())[column.kind] += 1

    def close(self) -> None:
        super().close()
        self.names = set(self._names.most_common(1)[0][0]) if self._names else set()
        self.kinds = {name: kinds.most_common(1)[0][0] for name, kinds in self._kinds.items()}
