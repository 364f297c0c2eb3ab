"""The checklist before launch. Its status line is computed from what it lists, and cannot say more."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from pydantic import BaseModel, Field

from gonogo.base.errors import UserError
from gonogo.base.models import ClosedModel
from gonogo.base.ranges import Range
from gonogo.base.text import clean
from gonogo.config.issues import Claim, Issue
from gonogo.forecast.forecast import StageTime
from gonogo.gates.launch import Item
from gonogo.report.quick_adjustments import Adjustment
from gonogo.report.risks import LATER, judged_risks
from gonogo.report.wording import decision
from gonogo.verdict import Status, Verdict, status_of, worst

# without a verdict of each of these, nothing is ready
REQUIRED = ("generator", "quality", "learning", "memory", "launch")


class Mode(BaseModel):
    """One row of the modes table. Hours and dollars with setup included; null: not forecast."""

    name: str
    epochs: int
    batch: int = Field(description="effective: samples per optimizer step")
    hours: float | None
    usd: float | None
    when: str = Field(description="when to choose it")
    recommended: bool = False


class CommandToRun(BaseModel):
    """A line to paste, and what it does."""

    does: str
    command: str


class PreflightFacts(ClosedModel):
    """What the checklist shows besides verdicts. Null: not measured."""

    experiment: str
    mode: str
    target: str
    accelerator: str = Field(description="title of the card or machine")
    date: dt.datetime
    usd_per_hour: float
    hours: Range | None = Field(description="of the whole run: setup, upload, training")
    usd: Range | None
    forecast_basis: str = Field("", description="source of the forecast and its range")
    setup_hours: float | None = Field(None, description="part of `hours` before training begins")
    budget_usd: float
    budget_buffer: float = Field(ge=0, le=1, description="share of the budget kept free")
    runs: int = Field(3, description="repetitions that the cost table also prices")
    upload_bytes: int | None
    stages: list[StageTime] = Field(default_factory=list, description="those whose time grows with the data")
    items: list[Item] = Field(description="critical items: name, ok, detail")
    modes: list[Mode]
    components_bytes: dict[str, int] = Field(description="what the memory peak is made of; empty: not traced")
    peak_bytes: int | None
    capacity_bytes: int | None
    expected_statement: str
    issues: list[Issue] = Field(default_factory=list, description="what was found wrong")
    research: list[Claim] = Field(default_factory=list, description="what the plan relies on")
    expected_metrics: dict[str, float] = Field(default_factory=dict, description="metric → least value")
    adjustments: list[Adjustment] = Field(default_factory=list, description="what to change for a symptom")
    criteria: list[str] = Field(default_factory=list, description="boxes that the run will tick, open before it")
    approval: str = Field("", description="who signed the sample off, when; empty: nobody")
    launch: list[CommandToRun] = Field(description="the workflow's own commands")
    monitor: list[CommandToRun]


def preflight(verdicts: Sequence[Verdict], facts: PreflightFacts) -> str:
    """The checklist in Markdown.

    Raises:
        UserError: several modes, or none of several, are marked as recommended.
    """
    from gonogo.report.rendering import markdown_page

    open_points = points(verdicts, facts)
    status = worst(status for status, _ in open_points)
    seen = {verdict.gate for verdict in verdicts}
    return markdown_page(
        "preflight.md.j2",
        verdicts=verdicts,
        facts=facts,
        status=status,
        headline=_headline(status, verdicts),
        points=sorted(open_points, key=lambda point: point[0] is not status),
        recommended=_recommended(facts),
        risks=judged_risks(verdicts),
        later={gate: asks for gate, asks in LATER.items() if gate not in seen},
        budget_needed=None
        if facts.usd is None or facts.budget_buffer == 1
        else facts.usd.mid / (1 - facts.budget_buffer),
    )


def points(verdicts: Sequence[Verdict], facts: PreflightFacts) -> list[tuple[Status, str]]:
    """Everything that prevents READY, each with its status."""
    decided = {verdict.gate for verdict in verdicts if verdict.override}
    missing = [gate for gate in REQUIRED if gate not in {verdict.gate for verdict in verdicts}]
    found = [(Status.UNKNOWN, f"{gate}: the gate has not judged") for gate in missing]
    for verdict in verdicts:
        status = worst([verdict.status, status_of(verdict.checks)])
        if verdict.override:
            found.append((Status.CAUTION, f"{verdict.title}: {status.label}, {decision(verdict)}"))
        elif status is not Status.GO:
            found.append((status, f"{verdict.title}: {clean(verdict.summary)}"))
    if "launch" not in decided:
        found += _launch_points(facts)
    if "memory" not in decided and (facts.peak_bytes is None or facts.capacity_bytes is None):
        found.append((Status.UNKNOWN, "memory: the peak or the card's capacity is not known"))
    return found


def _launch_points(facts: PreflightFacts) -> list[tuple[Status, str]]:
    found = [(Status.NO_GO, f"{clean(item.name)}: {clean(item.detail)}") for item in facts.items if not item.ok]
    if not facts.expected_statement.strip():
        found.append((Status.NO_GO, "expected result: not written down, so the run cannot be judged"))
    if facts.hours is None or facts.usd is None:
        found.append((Status.UNKNOWN, "forecast: hours and dollars are not known"))
    return found


def _headline(status: Status, verdicts: Sequence[Verdict]) -> str:
    if status is Status.NO_GO:
        return "DO NOT LAUNCH"
    if status is Status.UNKNOWN:
        return "HOLD: a decisive check was not measured"
    if any(verdict.override for verdict in verdicts):
        return "LAUNCH BY DECISION: a gate that did not pass was overridden"
    return "READY TO LAUNCH" if status is Status.GO else "READY, with reservations"


def _recommended(facts: PreflightFacts) -> str:
    """The mode to choose: the one that is marked, or the only one."""
    marked = [mode.name for mode in facts.modes if mode.recommended] or [mode.name for mode in facts.modes]
    if len(marked) != 1:
        where = f"config/experiments/{facts.experiment}.yaml: modes"
        raise UserError(
            f"{where}: exactly one should have `recommended: true`, not {len(marked)} ({', '.join(marked)})"
        )
    return marked[0]
