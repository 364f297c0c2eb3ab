"""The results gate: is what came back from the paid machine what was hoped for?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from gonogo.config.gate_thresholds import ResultsGate
from gonogo.measurements import Measured
from gonogo.quality.inspector import Judgement
from gonogo.quality.judge import judge as judge_data
from gonogo.quality.measured_set import MeasuredSet
from gonogo.verdict import Check, Status, threshold_check


class Measurements(Measured):
    metrics: dict[str, float] = Field(description="as the experiment reports them; `skill` is among them")
    geometry_auc: float | None = Field(description="how surely a predicted view is nearest to its own reference")
    is_result: bool = Field(True, description="false: the mode only runs the machinery; its figures count for nothing")
    alerts: list[str] = Field(default_factory=list, description="success indicators that the paid run missed")
    pictures: Path = Field(description="measurements of the predictions, looked at as data is")


@dataclass(frozen=True)
class ResultsJudgement:
    """Unpacks as (checks, cause), like every gate's judgement.

    Attributes:
        predictions: what was measured of them.
        seen: how they were judged, as data is.
    """

    checks: list[Check]
    cause: str
    predictions: MeasuredSet
    seen: Judgement

    def __iter__(self) -> Iterator[list[Check] | str]:
        return iter((self.checks, self.cause))


def judge(measured: Measurements, gate: ResultsGate) -> ResultsJudgement:
    predictions = MeasuredSet.read(measured.pictures)
    seen = judge_data(predictions, gate.pictures)
    if not measured.is_result:
        return ResultsJudgement([_no_result()], "", predictions, seen)
    checks = [_skill(measured, gate), *_expected(measured, gate)]
    if measured.geometry_auc is not None:
        checks.append(_geometry(measured.geometry_auc, gate))
    checks += [_indicators(measured)] if measured.alerts else []
    checks += seen.checks
    cause = "RESULT" if any(not check.status.passes for check in checks) else ""
    return ResultsJudgement(checks, cause, predictions, seen)


def _no_result() -> Check:
    return Check(
        id="no_result",
        title="Predictions can be made from the downloaded checkpoint",
        value=True,
        status=Status.CAUTION,
        why="this mode only runs the machinery: the figures are not a result, and were held against nothing",
        hint="Run a mode that counts.",
    )


def _skill(m: Measurements, gate: ResultsGate) -> Check:
    title, skill = "Skill over predicting the mean, held-out items", m.metrics.get("skill")
    if skill is None:
        return threshold_check("skill", title, None, f"> {gate.min_skill}", None, why="not reported by the experiment")
    return threshold_check(
        "skill",
        title,
        round(skill, 3),
        f"> {gate.min_skill}",
        skill > gate.min_skill,
        why=f"the trained model predicts held-out items no better than their mean (skill {skill:.2f})",
        hint="Compare with the smoke run: if that had skill, the paid run lost it on its way.",
    )


def _expected(m: Measurements, gate: ResultsGate) -> list[Check]:
    checks = []
    for name, least in gate.metrics.items():
        value = m.metrics.get(name)
        obtained = "was not reported" if value is None else f"is {value:.3g}"
        checks.append(
            threshold_check(
                f"expected_{name}",
                f"Expected {name}",
                None if value is None else round(value, 3),
                f">= {least:g}",
                None if value is None else value >= least,
                why=f"{name} {obtained}; {least:g} was expected before the run",
                hint="The expectation stood before the run: the hypothesis is in doubt, not the infrastructure.",
            )
        )
    return checks


def _indicators(m: Measurements) -> Check:
    return Check(
        id="indicators",
        title="Success indicators missed in training",
        value=len(m.alerts),
        threshold="0",
        status=Status.CAUTION,
        why="; ".join(m.alerts),
        hint="Look at the metric's curve in metrics.csv: did it come late, or never?",
    )


def _geometry(auc: float, gate: ResultsGate) -> Check:
    return threshold_check(
        "geometry",
        "Predicted views stand where they should",
        round(auc, 3),
        f">= {gate.min_geometry_auc} (0.5: in any order)",
        auc >= gate.min_geometry_auc,
        why=f"predicted views are not nearest to their own references (AUC {auc:.2f}): their geometry is inconsistent",
        hint="Check that poses are given in the same frame in training and in prediction.",
    )
