"""What a judgement leaves for people and machines: a table, distributions, and a sheet of the worst items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.distributions import Distributions
from gonogo.quality.inspector import Inspector
from gonogo.quality.items import Finding
from gonogo.quality.judgement import Judgement
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.registry import kind_of
from gonogo.quality.table import RowSink, table


@dataclass(frozen=True)
class Outputs:
    """Files to write; None: not wanted."""

    table: Path | None = None  # CSV, every statistic of every file
    distributions: Path | None = None  # SVG, statistics against their thresholds
    sheet: Path | None = None  # PNG, the worst items with the reason under each

    def of_kind(self, kind: str) -> Outputs:
        """The same files with the kind in their names: `worst-images.png`."""
        named = [
            path and path.with_stem(f"{path.stem}-{kind}") for path in (self.table, self.distributions, self.sheet)
        ]
        return Outputs(*named)


@dataclass(frozen=True)
class OutputWriter:
    """Writes outputs while a set is judged, so that its items are read only once for both; see `writing_outputs`."""

    _data: MeasuredSet
    _outputs: Outputs
    _inspector: Inspector
    _distributions: Distributions | None
    _sinks: Sequence[RowSink]

    def add(self, finding: Finding) -> None:
        """One item: what `judge` is to call with each finding."""
        for row in self._inspector.rows(finding):
            row |= {"item": finding.name, "item_bad": finding.bad}
            for sink in self._sinks:
                sink(row)
            if self._distributions and self._inspector.draws(row):
                self._distributions.add(row)

    def draw(self, judgement: Judgement) -> None:
        """After the last item: the distributions of what was added, and the sheet of what the judgement names."""
        inspector, data = self._inspector, self._data
        if self._distributions and self._outputs.distributions:
            title = f"{inspector.title.capitalize()}: {len(data)} {inspector.item}s"
            self._distributions.write(self._outputs.distributions, title)
        if self._outputs.sheet:
            inspector.sheet(judgement, data.data_folders, self._outputs.sheet)


@contextmanager
def writing_outputs(
    data: MeasuredSet, gate: QualityGate, outputs: Outputs, sinks: Sequence[RowSink] = ()
) -> Iterator[OutputWriter]:
    """The outputs of a set that is judged within the block; the table is renamed into place when the block ends well.

        with writing_outputs(data, gate, outputs) as writer:
            judgement = judge(data, gate, each=writer.add)
            writer.draw(judgement)

    Args:
        sinks: called with every row of the table, with `item` and `item_bad` in it.
    """
    inspector = kind_of(data.kind)
    distributions = Distributions(inspector.distributions(gate)) if outputs.distributions else None
    with ExitStack() as stack:
        tables = [stack.enter_context(table(outputs.table))] if outputs.table else []
        yield OutputWriter(data, outputs, inspector, distributions, [*sinks, *tables])


def draw_sheet(data: MeasuredSet, judgement: Judgement, out: Path) -> None:
    """Write the PNG of a judged set's worst items. No item's measurements are read again."""
    kind_of(data.kind).sheet(judgement, data.data_folders, out)
