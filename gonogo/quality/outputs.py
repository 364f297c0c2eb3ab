"""What a judgement leaves for people and machines: a table, distributions, and a sheet of the worst items."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.distributions import Distributions
from gonogo.quality.inspector import Judgement
from gonogo.quality.items import Finding
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.table import Add, table


@dataclass(frozen=True)
class Outputs:
    """Files to write; None: not wanted.

    Attributes:
        table: CSV, every statistic of every file.
        distributions: SVG, statistics against their thresholds.
        sheet: PNG, the worst items with the reason under each.
    """

    table: Path | None = None
    distributions: Path | None = None
    sheet: Path | None = None


class Drawing:
    """Writes the outputs of one judgement: its judge calls `add` with each finding, then `draw` gets what it returned.

    Args:
        more: called with every row of the table, with `item` and `item_bad` in it.
    """

    def __init__(self, data: MeasuredSet, gate: QualityGate, outputs: Outputs, more: Sequence[Add] = ()) -> None:
        self._data, self._outputs, self._sinks = data, outputs, list(more)
        self._distributions = Distributions(data.kind.distributions(gate)) if outputs.distributions else None
        self._open = ExitStack()

    def __enter__(self) -> Drawing:
        if self._outputs.table:
            self._sinks.append(self._open.enter_context(table(self._outputs.table)))
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def add(self, finding: Finding) -> None:
        kind, named = self._data.kind, {"item": finding.name, "item_bad": finding.bad}
        for row in ({**row, **named} for row in kind.rows(finding)):
            for sink in self._sinks:
                sink(row)
            if self._distributions and kind.draws(row):
                self._distributions.add(row)

    def draw(self, judgement: Judgement) -> None:
        """The distributions of the findings that were added, and the sheet of the worst items."""
        data, kind = self._data, self._data.kind
        if self._distributions and self._outputs.distributions:
            self._distributions.write(
                self._outputs.distributions, f"{kind.title.capitalize()}: {len(data)} {kind.item}s"
            )
        if self._outputs.sheet:
            draw_sheet(data, judgement, self._outputs.sheet)


def draw_sheet(data: MeasuredSet, judgement: Judgement, out: Path) -> None:
    """PNG of the worst items, the reason under each."""
    if data.kind.name == "views":
        from gonogo.quality.views.contact_sheet import contact_sheet

        contact_sheet(data.data_folders, judgement, out)
    else:
        from gonogo.quality.sheet import sheet

        sheet(judgement, data.kind, out)
