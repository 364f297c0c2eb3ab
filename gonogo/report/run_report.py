"""The report of a finished run: every verdict, what was expected and what came, what it cost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from pydantic import BaseModel, Field

from gonogo.base.models import ClosedModel
from gonogo.base.ranges import Range
from gonogo.base.text import clean
from gonogo.base.units import dollars, duration
from gonogo.report.commit_text import by_part_words, wrapped
from gonogo.report.storage import StoredFolder
from gonogo.report.timing import StageTiming
from gonogo.report.verdict_by_part import PartVerdict, parts
from gonogo.report.wording import number
from gonogo.verdict import Status, Verdict, worst


class Metric(BaseModel):
    """One figure of the result. `least` null: nothing was asked of it; `obtained` null: not measured."""

    name: str
    least: float | None
    obtained: float | None
    baseline: float | None = Field(None, description="what it should beat; null: none was named")
    earlier: float | None = Field(None, description="of an earlier run in a shorter mode")

    @property
    def status(self) -> Status | None:
        """Whether it is what was asked; None where nothing was."""
        if self.least is None:
            return None
        if self.obtained is None:
            return Status.UNKNOWN
        return Status.GO if self.obtained >= self.least else Status.NO_GO


class Leg(BaseModel):
    """One training run of the comparison: the rehearsal, an earlier run, the paid run. Null: not measured."""

    name: str = Field(description="`smoke run, here`")
    device: str
    batch: int | None = Field(description="effective: samples per optimizer step")
    steps: int | None
    step_s: float | None
    loss: float | None = Field(description="at the end")
    hours: float | None
    usd: float | None

    @property
    def samples_per_s(self) -> float | None:
        """By the median step; None where it was not measured."""
        return self.batch / self.step_s if self.batch and self.step_s else None

    @property
    def on_cpu(self) -> bool:
        return self.device.lower().startswith("cpu")


class ReportPicture(BaseModel):
    path: str = Field(description="from the report's folder")
    caption: str


class RunFacts(ClosedModel):
    """What the report shows. Null: not measured."""

    experiment: str
    mode: str
    target: str
    date: dt.datetime
    verdicts: list[Verdict] = Field(description="of all gates, in the order in which they judged")
    expected_statement: str
    metrics: list[Metric]
    earlier: str = Field("", description="the earlier run that stands beside this one, `validate, 21 Nov`; empty: none")
    legs: list[Leg]
    forecast_hours: Range | None
    forecast_usd: Range | None
    actual_hours: float | None
    actual_usd: float | None
    billed_usd: float = Field(0.0, ge=0, description="by the ledger: setup, transfers and earlier tries included")
    wasted_usd: float = Field(0.0, ge=0, description="of it, on stages that failed or were done again")
    archive: str = Field(description="folder of the download; empty: nothing was downloaded")
    pictures: list[ReportPicture]
    stages: list[StageTiming]
    storage: list[StoredFolder] = Field(default_factory=list, description="what it holds in results and archive")

    @property
    def status(self) -> Status:
        """The gravest of all verdicts and metrics; UNKNOWN without any verdict."""
        asked = [metric.status for metric in self.metrics if metric.status]
        judged = [verdict.status for verdict in self.verdicts]
        return worst([*judged, *asked]) if judged else Status.UNKNOWN

    @property
    def overridden(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.override]


def run_report(facts: RunFacts) -> str:
    """The report in Markdown; pictures are linked from the report's folder."""
    from gonogo.report.rendering import markdown_page

    by_part = parts(facts.verdicts)
    return markdown_page(
        "run_report.md.j2", facts=facts, by_part=by_part, beside_cpu=beside_cpu(facts.legs),
        commit_message=commit_message(facts, by_part),
        storage_bytes=sum(folder.size_bytes for folder in facts.storage),
    )  # fmt: skip


def beside_cpu(legs: Sequence[Leg]) -> list[str]:
    """How many times as fast each device was as a processor, sample by sample; nothing where only one was measured."""
    processors = [leg for leg in legs if leg.samples_per_s and leg.on_cpu]
    if not processors:
        return []
    base = processors[0]
    assert base.samples_per_s
    return [
        f"{leg.name}: {leg.samples_per_s / base.samples_per_s:.3g} times the samples a second of {base.name} "
        f"({number(leg.samples_per_s)} against {number(base.samples_per_s)})"
        for leg in legs
        if leg.samples_per_s and not leg.on_cpu
    ]


def commit_message(facts: RunFacts, by_part: Sequence[PartVerdict]) -> str:
    """What the finished run obtained, beside what was expected of it."""
    obtained = [
        f"- {clean(metric.name)}: {number(metric.obtained)}"
        + ("" if metric.least is None else f" (expected at least {number(metric.least)})")
        for metric in facts.metrics
        if metric.obtained is not None
    ]
    decided = [f"Overridden: {clean(verdict.title)}." for verdict in facts.overridden]
    hours, usd = facts.actual_hours, facts.actual_usd
    took = "not measured" if hours is None else duration(3600 * hours)
    paid = "not measured" if usd is None else dollars(usd)
    return wrapped(
        [
            f"{clean(facts.experiment)}: {facts.status.label} after the {clean(facts.mode)} run",
            "",
            *([f"Expected: {clean(facts.expected_statement)}", ""] if facts.expected_statement.strip() else []),
            *(["Obtained:", *obtained, ""] if obtained else []),
            by_part_words(by_part),
            *decided,
            f"Trained on {clean(facts.target)}: {took}, {paid}.",
            *([f"Checkpoints: {facts.archive}"] if facts.archive else []),
        ]
    )
