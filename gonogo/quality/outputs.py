"""What a judgement leaves for people and machines: a table, distributions, and a sheet of the worst items."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.distributions import Distributions
from gonogo.quality.inspector import Judgement
from gonogo.quality.items import Finding
from gonogo.quality.judge import judge
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


def judge_and_show(
    data: MeasuredSet, gate: QualityGate, outputs: Outputs, sampled: bool = False, more: Sequence[Add] = ()
) -> Judgement:
    """Judge a set and write the outputs, in one pass over its items.

    Args:
        more: called with every row of the table, with `item` and `item_bad` in it.
    """
    kind = data.kind
    drawn = Distributions(kind.distributions(gate))
    with ExitStack() as stack:
        sinks = list(more)
        if outputs.table:
            sinks.append(stack.enter_context(table(outputs.table)))

        def each(finding: Finding) -> None:
            named = {"item": finding.name, "item_bad": finding.bad}
            for row in ({**row, **named} for row in kind.rows(finding)):
                for sink in sinks:
                    sink(row)
                if outputs.distributions and kind.draws(row):
                    drawn.add(row)

        judgement = judge(data, gate, sampled, each)
    if outputs.distributions:
        drawn.write(outputs.distributions, f"{kind.title.capitalize()}: {len(data)} {kind.item}s")
    if outputs.sheet:
        _sheet(data, judgement, outputs.sheet)
    return judgement


def _sheet(data: MeasuredSet, judgement: Judgement, out: Path) -> None:
    if data.kind.name == "views":
        from gonogo.quality.views.contact_sheet import contact_sheet

        contact_sheet(data.data_folders, judgement, out)
    else:
        from gonogo.quality.sheet import sheet

        sheet(judgement, data.kind, out)
