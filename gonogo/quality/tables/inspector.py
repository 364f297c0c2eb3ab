"""Tables: CSV, Parquet, and folders that `datasets` wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image, ImageDraw

from gonogo.config.quality_thresholds import QualityGate
from gonogo.config.table_thresholds import TablesGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.arrays import in_time
from gonogo.quality.fault_counts import FaultGroup
from gonogo.quality.file_kind import FileInspector, split_of_words
from gonogo.quality.inspector import ItemFiles, ItemReading, Scan, StatisticsCache
from gonogo.quality.items import Fault, Finding, MeasuredItem
from gonogo.quality.table import row_head
from gonogo.quality.tables.checks import set_checks
from gonogo.quality.tables.files import SUFFIXES, check_packages, open_table
from gonogo.quality.tables.items import TableItem, TableOverview
from gonogo.quality.tables.statistics import TableStatistics
from gonogo.quality.wording import listed, percent
from gonogo.verdict import Check

TARGETS = ("target", "label", "labels", "class", "y", "outcome")
NAMED_COLUMNS = 6


class Tables(FileInspector):
    """One file, one item; its rows are counted within. Memory: a batch of rows, and 8 bytes a row.

    Args:
        target: column; empty: one of the usual names.
    """

    name, title, item = "tables", "tables", "table"
    Item: ClassVar[type[MeasuredItem]] = TableItem
    suffixes = SUFFIXES
    metadata: ClassVar[tuple[str, ...]] = (".json", ".yaml", ".yml", ".txt", ".xml", ".pdf", ".html")

    def __init__(self, target: str = "") -> None:
        self._target = target

    def configured(self, gate: QualityGate) -> Tables:
        return Tables(gate.tables.target)

    @property
    def reading(self) -> str:
        return f"target={self._target}" if self._target else ""

    def scan(self, folder: Path) -> Scan:
        found = super().scan(folder)
        check_packages()
        return found

    def measure(self, files: ItemFiles, cache: StatisticsCache) -> ItemReading:
        reading = super().measure(files, cache)
        reading.item.split = reading.item.split or split_of_words(files.name)
        return reading

    def statistics(self, path: Path) -> dict[str, Any]:
        with open_table(path) as (names, batches, odd):
            by_name = {name.lower(): name for name in names}
            usual = next((by_name[name] for name in TARGETS if name in by_name), "")
            statistics = TableStatistics(names, self._target or usual)
            for batch in in_time(path, batches):
                statistics.add(batch)
            return statistics.result(odd)

    def overview(self) -> TableOverview:
        return TableOverview()

    def faults(self, item: TableItem, overview: TableOverview, gate: QualityGate) -> list[Fault]:
        return list(table_faults(item, overview, gate.tables))

    def set_checks(self, overview: TableOverview, gate: QualityGate, rule: AcceptanceRule) -> list[Check]:
        return set_checks(overview, gate.tables)

    def draw(self, item: TableItem) -> Image.Image:
        """Its columns, with their share of missing cells."""
        page = Image.new("RGB", (256, 256), "white")
        lines = [f"{item.rows} rows, {len(item.columns)} columns"]
        lines += [f"{column.name[:18]:18} {column.kind[:8]:8} {column.missing}" for column in item.columns[:14]]
        ImageDraw.Draw(page).text((6, 6), "\n".join(lines), fill="black")
        return page

    def rows(self, finding: Finding) -> Sequence[dict[str, Any]]:
        item = finding.item
        assert isinstance(item, TableItem)
        return [
            {
                **row_head(item.path, finding.faults), "content": item.content, "split": item.split,
                "rows": item.rows, "columns": len(item.columns), "odd_rows": item.odd_rows,
                "missing": sum(column.missing for column in item.columns), "repeated_rows": item.repeated_rows,
                "target": item.target, "classes": len(item.classes),
            }
        ]  # fmt: skip

    def fault_groups(self, gate: QualityGate) -> Sequence[FaultGroup]:
        own = gate.tables
        return [
            FaultGroup(
                "rows_present", "Rows, each with a cell for every name", {"empty", "odd_rows"},
                f"no rows, or over {percent(own.max_odd_rows)} of them with more or fewer cells than names",
                "have no rows, or odd ones", "Write them again; a comma or line break within a cell needs quotes.",
            ),
            FaultGroup(
                "columns", "Columns are those of the set", {"columns", "types"},
                "columns missing or more than the set's, or of another type", "have other columns than the set",
                "Write all files with one program; look for a changed export.",
            ),
            FaultGroup(
                "cells", "Cells hold values", {"empty_cells", "missing", "words", "infinite", "constant"},
                f"over {percent(own.max_empty_cells)} of all cells missing, over {percent(own.max_words)} of a column "
                f"of numbers is none, or infinity; a column with over {percent(own.max_missing)} missing, or of one "
                "value, is a warning", "have odd cells", "Clean these columns, or leave them out.",
            ),
            FaultGroup(
                "repeated_rows", "Rows that are there once", {"repeated"},
                f"never bad; over {percent(own.max_repeated_rows)} of rows that repeat another are a warning",
                "repeat rows", "Remove them before the set is split, or count them on purpose.",
            ),
        ]  # fmt: skip


def table_faults(item: TableItem, overview: TableOverview, gate: TablesGate) -> Iterator[Fault]:
    """The checks that fire for one table, against the thresholds and the set."""
    if not item.rows:
        yield Fault("empty", "no rows")
        return
    if item.odd_rows:
        few = item.odd_rows <= gate.max_odd_rows * (item.rows + item.odd_rows)
        yield Fault("odd_rows", f"{item.odd_rows} rows left out, the first with {item.odd_row}", warns=few)
    names = {column.name for column in item.columns}
    if names != overview.names:
        lacks, more = sorted(overview.names - names), sorted(names - overview.names)
        words = [f"without {listed(lacks, most=3)}"] * bool(lacks) + [f"with {listed(more, most=3)}"] * bool(more)
        yield Fault("columns", ", ".join(words))
    yield from _cells(item, overview, gate)
    if item.repeated_rows > gate.max_repeated_rows * item.rows:
        yield Fault("repeated", f"{item.repeated_rows} of {item.rows} rows repeat another", warns=True)


def _cells(item: TableItem, overview: TableOverview, gate: TablesGate) -> Iterator[Fault]:
    columns = item.columns
    other = [one for one in columns if one.kind not in ("empty", overview.kinds.get(one.name, one.kind))]
    if other:
        first = other[0]
        yield Fault("types", f"{first.name!r} is {first.kind}; the set's is {overview.kinds[first.name]}")
    cells = sum(column.missing for column in columns) / (item.rows * len(columns))
    if cells > gate.max_empty_cells:
        yield Fault("empty_cells", f"{percent(cells)} of all cells are missing")
    elif sparse := [one.name for one in columns if one.missing > gate.max_missing * item.rows]:
        yield Fault("missing", f"mostly missing: {listed(sparse, most=NAMED_COLUMNS)}", warns=True)
    for one in columns:
        if one.words:
            share = one.words / item.rows
            why = f"{one.name!r} is of numbers, but for {one.words} cells ({one.word!r})"
            yield Fault("words", why, warns=share <= gate.max_words)
            break
    if infinite := [one.name for one in columns if one.infinite]:
        yield Fault("infinite", f"infinity in {listed(infinite, most=NAMED_COLUMNS)}")
    if constant := [one.name for one in columns if one.constant and one.missing < item.rows]:
        yield Fault("constant", f"of one value: {listed(constant, most=NAMED_COLUMNS)}", warns=True)
