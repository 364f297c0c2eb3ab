"""The document of a halted experiment: what was tried, what went wrong, what is proven, what to do next.

Every sentence comes from a measurement, the ledger, the config or the table of causes; what was not measured is said.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field

from gonogo.base.models import ClosedModel
from gonogo.base.units import dollars, duration
from gonogo.report.causes import cause_of
from gonogo.report.commit_text import of_halt
from gonogo.report.evidence import Evidence
from gonogo.report.storage import StoredFolder, spoilt
from gonogo.report.verdict_by_part import at_fault, parts
from gonogo.report.way_back import WayBack
from gonogo.report.wording import number
from gonogo.verdict import Status, Verdict


class StageCost(BaseModel):
    """One ledger row: what one execution of a stage took."""

    stage: str
    wall_s: float = Field(ge=0)
    usd: float = Field(default=0, ge=0)


class NegativeFacts(ClosedModel):
    """What the document needs besides the verdict itself."""

    hypothesis: str = Field(description="what the experiment should show; empty: not written down")
    expected_statement: str = Field(description="written before the run; empty: not written down")
    stages: list[StageCost] = Field(description="ledger rows of this experiment so far")
    passed: list[Verdict] = Field(description="verdicts of the gates before this one")
    evidence: list[Evidence] = Field(description="see `evidence()`")
    storage: list[StoredFolder] = Field(default_factory=list, description="what it holds in results and archive")
    way_back: WayBack | None = Field(None, description="what became of earlier halts; null: the ledger is new")
    rerun: str = Field(description="command that resumes the experiment")


def negative_result(verdict: Verdict, facts: NegativeFacts) -> str:
    """The Markdown document for a gate that halts. Dated by the measurement: same facts, same text."""
    from gonogo.report.rendering import markdown_page

    by_part = parts([*facts.passed, verdict])
    stages = _summed(facts.stages)
    repeated = [stage for stage in stages if _to_be_done_again(stage.stage, verdict)]
    return markdown_page(
        "negative_result.md.j2",
        verdict=verdict,
        facts=facts,
        cause=cause_of(verdict),
        by_part=by_part,
        standing=[part.name for part in by_part if part.status.passes],
        hypothesis_status=by_part[-1].status,
        stages=stages,
        spent=_total(stages),
        repeated=repeated,
        again=_total(repeated),
        storage_bytes=sum(folder.size_bytes for folder in facts.storage),
        spoilt=spoilt(verdict, facts.storage),
        wasted_bytes=sum(folder.size_bytes for folder in spoilt(verdict, facts.storage)),
        measured_checks=sum(check.value is not None for v in [*facts.passed, verdict] for check in v.checks),
        lessons=_lessons(verdict, facts, _total(stages)),
        commit_message=of_halt(verdict, by_part, _total(stages).wall_s, _total(stages).usd),
    )


def _summed(rows: Sequence[StageCost]) -> list[StageCost]:
    """One row a stage, in the order in which stages first ran; a stage that ran twice cost both."""
    total: dict[str, StageCost] = {}
    for row in rows:
        before = total.get(row.stage, StageCost(stage=row.stage, wall_s=0))
        total[row.stage] = StageCost(stage=row.stage, wall_s=before.wall_s + row.wall_s, usd=before.usd + row.usd)
    return list(total.values())


def _total(stages: Sequence[StageCost]) -> StageCost:
    return StageCost(stage="total", wall_s=sum(s.wall_s for s in stages), usd=sum(s.usd for s in stages))


def _to_be_done_again(stage: str, verdict: Verdict) -> bool:
    """Whether a stage's output is lost: everything to bad data, training to faulty code or a short run.

    A machine, a budget or an unwelcome result does not affect data and code that passed.
    """
    if verdict.status is not Status.NO_GO:
        return False
    part = at_fault(verdict)
    return part == "data" or (part in ("code", None) and ("train" in stage or stage.startswith("canary")))


def _lessons(verdict: Verdict, facts: NegativeFacts, spent: StageCost) -> list[str]:
    lessons = [cause_of(verdict).lesson]
    fall = next((check.value for check in verdict.checks if check.id == "loss_fall"), None)
    if isinstance(fall, (int, float)) and fall > 0:
        lessons.append(
            f"The training loss fell by {number(float(fall))} % nevertheless: a falling loss is not success."
        )
    if missed := [before for before in facts.passed if not before.override]:
        names = ", ".join(before.title for before in missed)
        lessons.append(f"Earlier gates that passed: {names}. Could one of them have found this?")
    decided = [before for before in facts.passed if before.override]
    lessons += [f"The {before.title} gate said {before.status.label} and was overridden." for before in decided]
    lessons.append(f"It took {duration(spent.wall_s)} and {dollars(spent.usd)} to learn this.")
    return lessons
