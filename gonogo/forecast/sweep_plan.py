"""The variants of a sweep before any of them is paid for: which passed their gates, and what they cost together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field

from gonogo.base.ranges import Range


class SweepPlan(BaseModel):
    """What `plan.json` of a sweep holds, in one mode."""

    sweep: str
    launched: list[str] = Field(description="variants that passed every gate before the launch")
    stopped: list[str] = Field(description="those that a gate stopped")
    unforecast: list[str] = Field(description="of those launched, those whose dollars are not known")
    usd: Range = Field(description="of all that are launched, as forecast")


def sweep_plan(sweep: str, variants: Sequence[str], forecasts: Mapping[str, Range | None]) -> SweepPlan:
    """The plan of these variants.

    Args:
        forecasts: of each that passed its gates, its dollars; None: not known.
    """
    together = Range(low=0, mid=0, high=0)
    for usd in forecasts.values():
        together += usd or Range(low=0, mid=0, high=0)
    return SweepPlan(
        sweep=sweep,
        launched=[name for name in variants if name in forecasts],
        stopped=[name for name in variants if name not in forecasts],
        unforecast=[name for name, usd in forecasts.items() if usd is None],
        usd=together,
    )
