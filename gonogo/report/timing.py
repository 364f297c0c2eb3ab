"""Where the time went: stage by stage, the experiment's own work apart from the chain's overhead."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field
from rich.table import Table
from rich.text import Text

from gonogo.base.units import duration
from gonogo.report.terminal import WIDEST, drawn
from gonogo.runtime.ledger import HELD, Row

SHORTEST_BAR, LONGEST_BAR = 8, 30


class StageTiming(BaseModel):
    """One stage: how long it took, and how much of that was the work itself."""

    experiment: str
    stage: str
    wall_s: float = Field(ge=0)
    work_s: float = Field(ge=0)

    @property
    def overhead_s(self) -> float:
        return max(0.0, self.wall_s - self.work_s)


def timings(rows: Sequence[Row]) -> list[StageTiming]:
    """One for each row of the ledger that is a stage's: not for the time of a machine that waited for one."""
    return [
        StageTiming(experiment=r.experiment, stage=r.stage, wall_s=r.wall_s, work_s=r.work_s)
        for r in rows
        if r.stage != HELD
    ]


def timing_table(rows: Sequence[StageTiming], wall_s: float, work_s: float, colour: bool, width: int) -> str:
    """Stages with wall, work and overhead, a bar each (solid: work, light: overhead), and the totals.

    `wall_s` and `work_s` are of the whole invocation: stages run side by side, so rows do not add up to them.
    """
    width = min(width, WIDEST)
    longest = max((row.wall_s for row in rows), default=0.0)
    bar = min(LONGEST_BAR, max(SHORTEST_BAR, width - 70))
    several = len({row.experiment for row in rows}) > 1
    table = Table(box=None, padding=(0, 2, 0, 0), show_footer=True, expand=False)
    table.add_column("stage", Text("all, side by side"), overflow="fold")
    for name, total in (("wall", wall_s), ("work", work_s), ("overhead", max(0.0, wall_s - work_s))):
        table.add_column(name, duration(total), justify="right", no_wrap=True, footer_style="bold")
    table.add_column(Text("█ work ░ overhead", style="dim") if bar > 16 else "", no_wrap=True, overflow="crop")
    for row in rows:
        name = f"{row.experiment} {row.stage}" if several else row.stage
        figures = [duration(seconds) for seconds in (row.wall_s, row.work_s, row.overhead_s)]
        table.add_row(Text(name), *figures, _bar(row, longest, bar))
    return drawn(table, colour, width)


def _bar(row: StageTiming, longest_s: float, length: int) -> Text:
    per_s = length / longest_s if longest_s else 0.0
    total = round(row.wall_s * per_s)
    work = min(total, round(row.work_s * per_s))
    return Text("█" * work, style="green").append("░" * (total - work), style="yellow")
