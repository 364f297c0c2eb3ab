"""The generator gate: is what makes the data good enough on its own, before it makes any?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from gonogo.base.errors import UserError
from gonogo.config.gate_thresholds import GeneratorGate, MetricBound
from gonogo.measurements import Measured
from gonogo.verdict import Check, Status, threshold_check

CAUSE = "GENERATOR"
HINT = "Fix what makes the data, or fit it longer; no data was made with it."


class Measurements(Measured):
    """What `prepare` measured."""

    metrics: dict[str, float | None] = Field(default_factory=dict, description="by name; null: NaN or infinite")
    picture: str | None = Field(None, description="a file to look at, in the folder that `prepare` filled")


def measured(returned: Mapping[str, Any], inputs_digest: str = "") -> Measurements:
    """What `prepare` returned, as measurements.

    Raises:
        UserError: a metric is not a number.
    """
    metrics = {name: value for name, value in returned.items() if name != "picture"}
    for name, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UserError(f"prepare returned {name}: {value!r}, which is not a number; return metrics by name")
    finite = {name: float(value) if math.isfinite(value) else None for name, value in metrics.items()}
    return Measurements(metrics=finite, picture=returned.get("picture"), inputs_digest=inputs_digest)


def judge(measured: Measurements, gate: GeneratorGate) -> tuple[list[Check], str]:
    if not measured.metrics and not gate.root:
        return [Check(id="no_generator", title="Fitted before data is made", value="nothing", status=Status.GO)], ""
    if not gate.root:
        names = ", ".join(measured.metrics)
        why = f"prepare measured {names}, and gates.generator gives no threshold for any of them"
        hint = (
            f"Write in the experiment's file: gates: {{generator: {{{next(iter(measured.metrics))}: {{at_least: …}}}}}}"
        )
        return [threshold_check("generator", "Thresholds of the generator", None, "any", None, why=why, hint=hint)], ""
    checks = [_check(name, bound, measured.metrics) for name, bound in gate.root.items()]
    return checks, CAUSE if any(check.status is Status.NO_GO for check in checks) else ""


def _check(name: str, bound: MetricBound, metrics: Mapping[str, float | None]) -> Check:
    title, threshold = f"Of the generator on its own: {name}", str(bound)
    if name not in metrics:
        why = f"prepare did not return {name}; it returned {', '.join(metrics) or 'nothing'}"
        return threshold_check(name, title, None, threshold, None, why=why, hint="Correct the name in gates.generator.")
    value = metrics[name]
    if value is None:
        return threshold_check(name, title, None, threshold, False, why=f"{name} is NaN or infinite", hint=HINT)
    why = f"{bound.why or f'{name} is out of its bounds'} ({value:.3g})"
    return threshold_check(name, title, round(value, 3), threshold, bound.holds(value), why=why, hint=HINT)
