"""From what was watched to the measurements that are judged."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from gonogo.learning.measurements import DataSummary, Evaluation, Gradients, Measurements


def summarized(
    evaluations: Sequence[Evaluation],
    losses: Sequence[float],
    *,
    data: DataSummary,
    gradients: Gradients,
    seen_skill: float | None,
    **more: Any,
) -> Measurements:
    """Measurements of a run with these evaluations and losses; `more` adds to them or replaces them."""
    known: dict[str, Any] = {"finite": True, "steps": evaluations[-1].step, "val_steps": [], "val_loss": []}
    return Measurements(
        first_loss=fmean(losses[:5]) if losses else None,
        last_loss=fmean(losses[-20:]) if losses else None,
        peak_loss=max(losses) if losses else None,
        evaluations=list(evaluations),
        data=data,
        gradients=gradients,
        seen_skill=seen_skill,
        **known | more,
    )
