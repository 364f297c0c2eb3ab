"""The results gate: is what came back from the paid machine what was hoped for?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from gonogo.base.models import ClosedModel
from gonogo.config.gate_thresholds import ResultsGate
from gonogo.measurements import Measured
from gonogo.quality.judge import judge as judge_data
from gonogo.quality.judgement import Judgement
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.registry import kind_of
from gonogo.verdict import Check, Status, not_measured, status_of, threshold_check


class TrainingLog(ClosedModel):
    """What a finished run says of itself."""

    steps: int
    finite: bool
    loss_at_start: float | None = Field(None, description="median of the first tenth of its training losses")
    loss_at_end: float | None = Field(None, description="of the last tenth")
    checkpoint: str = Field("", description="the file that was downloaded; empty: it left none")


class ValidationTrend(ClosedModel):
    """What the paid run's validation loss does over its second half."""

    state: Literal["falling", "flat", "rising", "unknown"] = Field(description="`flat`: it has converged")
    beyond_noise: bool = Field(description="whether the change is larger than its noise explains")
    text: str


class Measurements(Measured):
    metrics: dict[str, float] = Field(description="as the experiment reports them; `skill` is among them")
    beside_references: dict[str, float] = Field(
        default_factory=dict, description="what the predictions show only beside their references, by name"
    )
    is_result: bool = Field(True, description="false: the mode only runs the machinery; its figures count for nothing")
    alerts: list[str] = Field(default_factory=list, description="success indicators that the paid run missed")
    pictures: Path | None = Field(
        None,
        description="measurements of the predictions, inspected as data is; null: answers that are no such items, or "
        "no predictions",
    )
    validation: ValidationTrend | None = Field(None, description="of the paid run")
    logged: TrainingLog | None = Field(None, description="of a command that predicts nothing: what its run logged")


@dataclass
class ResultsJudgement:
    """Unpacks as (checks, cause)."""

    checks: list[Check]
    cause: str
    # the judgement of the predictions as data, which their contact sheet is drawn from; None where they are no items of
    # the data's kind, or there are none
    predictions: Judgement | None

    def __iter__(self) -> Iterator[list[Check] | str]:
        return iter((self.checks, self.cause))


def judge(measured: Measurements, gate: ResultsGate) -> ResultsJudgement:
    if measured.logged is not None:
        return _of_log(measured, measured.logged, gate)
    data = None if measured.pictures is None else MeasuredSet.read(measured.pictures)
    predictions = None if data is None else judge_data(data, gate.pictures)
    if not measured.is_result:
        return ResultsJudgement([_no_result()], "", predictions)
    checks = [_skill(measured, gate), *_expected(measured, gate)]
    checks += [] if data is None else kind_of(data.kind).prediction_checks(measured.beside_references, gate)
    checks += [_convergence(measured.validation)] if measured.validation else []
    checks += [_indicators(measured)] if measured.alerts else []
    checks += [] if predictions is None else predictions.checks
    return ResultsJudgement(checks, "" if status_of(checks).passes else "RESULT", predictions)


def _of_log(measured: Measurements, log: TrainingLog, gate: ResultsGate) -> ResultsJudgement:
    """Where no command predicts: the run ended with a lower loss than it began with, and left a checkpoint."""
    checks = [_left_a_checkpoint(log)]
    if not measured.is_result:
        checks.append(_no_result("The run ended, and came back"))
        return ResultsJudgement(checks, "RESULT" if not checks[0].status.passes else "", None)
    checks += [_loss_fell(log), *([_convergence(measured.validation)] if measured.validation else [])]
    checks += _expected(measured, gate)
    return ResultsJudgement(checks, "" if status_of(checks).passes else "RESULT", None)


def _left_a_checkpoint(log: TrainingLog) -> Check:
    return threshold_check(
        "checkpoint",
        "Checkpoint that came back",
        log.checkpoint or "none",
        "one",
        bool(log.checkpoint),
        why="the run left no file that looks like a checkpoint (.ckpt, .pt, .pth, .safetensors, .bin)",
        hint="Let the script save its model into {out}, or beside itself.",
    )


def _loss_fell(log: TrainingLog) -> Check:
    first, last = log.loss_at_start, log.loss_at_end
    known = None if first is None or last is None else log.finite and last < first
    return threshold_check(
        "loss_fell",
        "Training loss at the end of the run against its start",
        None if last is None else round(last, 4),
        "lower" if first is None else f"< {first:.4g}",
        known,
        why=f"the loss was {first:.4g} in the first tenth of {log.steps} steps, and {last:.4g} in the last"
        if first is not None and last is not None
        else "the run logged no losses",
        hint="Look at the loss in steps.csv or metrics.csv of the archive.",
    )


def _convergence(found: ValidationTrend) -> Check:
    """A warning and no more: the best checkpoint was kept. Falling is no fault, and says that more would help."""
    id_, title = "convergence", "Validation loss at the end of the paid run"
    if found.state == "unknown":
        return not_measured(id_, title, found.text)
    rising = found.state == "rising" and found.beyond_noise
    hint = "Take the best checkpoint; next time stop there, lower the learning rate, or use more data."
    return Check(
        id=id_,
        title=title,
        value="converged" if found.state == "flat" else found.state,
        threshold="none: converged or falling; rising is a warning",
        status=Status.CAUTION if rising else Status.GO,
        why="" if found.state == "flat" else found.text,
        hint=hint if rising else "",
    )


def _no_result(title: str = "Predictions can be made from the downloaded checkpoint") -> Check:
    return Check(
        id="no_result",
        title=title,
        value=True,
        status=Status.CAUTION,
        why="this mode only tests the machinery: its figures are not a result, and were not held against thresholds",
        hint="Run a mode whose results count, for example `mode=fast`.",
    )


def _skill(measured: Measurements, gate: ResultsGate) -> Check:
    title, skill = "Skill over predicting the mean, held-out items", measured.metrics.get("skill")
    if skill is None:
        return threshold_check("skill", title, None, f"> {gate.min_skill}", None, why="not reported by the experiment")
    beaten = "no better than their mean" if skill <= 0 else "better than their mean by less than is asked for"
    return threshold_check(
        "skill",
        title,
        round(skill, 3),
        f"> {gate.min_skill}",
        skill > gate.min_skill,
        why=f"the trained model predicts held-out items {beaten} (skill {skill:.2f})",
        hint="Compare with the smoke run: if it had skill, the paid run lost it.",
    )


def _expected(measured: Measurements, gate: ResultsGate) -> list[Check]:
    checks = []
    for name, least in gate.metrics.items():
        value = measured.metrics.get(name)
        obtained = "was not reported" if value is None else f"is {value:.3g}"
        checks.append(
            threshold_check(
                f"expected_{name}",
                f"Expected {name}",
                None if value is None else round(value, 3),
                f">= {least:g}",
                None if value is None else value >= least,
                why=f"{name} {obtained}; at least {least:g} was expected before the run",
                hint="The expectation was written down before the run: doubt the hypothesis, not the infrastructure.",
            )
        )
    return checks


def _indicators(measured: Measurements) -> Check:
    return Check(
        id="indicators",
        title="Success indicators missed in training",
        value=len(measured.alerts),
        threshold="0",
        status=Status.CAUTION,
        why="; ".join(measured.alerts),
        hint="Look at the metric's curve in metrics.csv: did it improve late, or never?",
    )
