"""From what was watched to the measurements that are judged."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from gonogo.learning.measurements import DataLook, Evaluation, Gradients, Measurements


def summarized(
    evaluations: Sequence[Evaluation],
    losses: Sequence[float],
    *,
    data: DataLook,
    gradients: Gradients,
    seen_skill: float | None,
    **more: Any,
) -> Measurements:
    """Measurements whose held-out figures are those of the last evaluation; `more` adds to them or replaces them."""
    last = evaluations[-1]
    known: dict[str, Any] = {
        "finite": True,
        "steps": last.step,
        "first_loss": fmean(losses[:5]) if losses else None,
        "last_loss": fmean(losses[-20:]) if losses else None,
        "peak_loss": max(losses) if losses else None,
        "val_steps": [],
        "val_loss": [],
        "overfit_ratio": None,
        "input_mean": data.input_mean,
        "target_mean": last.target_mean,
        "output_mean": last.output_mean,
        "target_sigma": last.target_sigma,
        "output_sigma": last.output_sigma,
        "skill": last.skill,
        "skill_low": last.skill_low,
        "skill_high": last.skill_high,
        "seen_skill": seen_skill,
        "calibration": last.calibration,
        "skill_without_input": last.skill_without_input,
        "output_change": last.output_change,
        "own_input_gain": last.own_input_gain,
        "copy_skill": None,
        "error": last.error,
        "error_of_mean": last.error_of_mean,
        "error_of_copy": None,
        "data": data,
        "gradients": gradients,
        "evaluations": list(evaluations),
    }
    return Measurements(**{**known, **more})
