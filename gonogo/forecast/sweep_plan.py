"""The variants of a sweep before any of them is paid for: which passed their gates, and what they cost together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field

from gonogo.base.ranges import Range


class SweepPlan(BaseModel):
    """What `plan.json` of a sweep holds, in one mode."""

    sweep: str
    launched: list[str] = Field(description="variants that passed every gate before the launch")
    left_out: list[str] = Field(default_factory=list, description="those that passed, and that halving does not keep")
    stopped: list[str] = Field(description="those that a gate stopped")
    skills: dict[str, float] = Field(default_factory=dict, description="by which halving chose, the best first")
    unforecast: list[str] = Field(description="of those launched, those whose dollars are not known")
    usd: Range = Field(description="of all that are launched, as forecast")


def sweep_plan(
    sweep: str,
    variants: Sequence[str],
    forecasts: Mapping[str, Range | None],
    skills: Mapping[str, float] | None = None,
    keep: float = 1.0,
) -> SweepPlan:
    """The plan of these variants.

    Args:
        forecasts: of each that passed its gates, its dollars; None: not known.
        skills: of each of those, after equally many steps, where only the best are launched.
        keep: the share of them that is, one at least.
    """
    ranked = sorted(skills or {}, key=lambda name: -(skills or {})[name])
    kept = set(ranked[: max(1, math.floor(keep * len(ranked)))]) if ranked else set(forecasts)
    together = Range(low=0, mid=0, high=0)
    for name in kept:
        together += forecasts[name] or Range(low=0, mid=0, high=0)
    return SweepPlan(
        sweep=sweep,
        launched=[name for name in variants if name in kept],
        left_out=[name for name in variants if name in forecasts and name not in kept],
        stopped=[name for name in variants if name not in forecasts],
        skills={name: (skills or {})[name] for name in ranked},
        unforecast=[name for name in variants if name in kept and forecasts[name] is None],
        usd=together,
    )
