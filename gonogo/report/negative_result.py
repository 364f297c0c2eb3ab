"""The document of a halted experiment: what was tried, what went wrong, what is proven, what to do next.

Every sentence comes from a measurement, the ledger, the config or the table of causes; what was not measured is said.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from pydantic import BaseModel, Field

from gonogo.base.models import ClosedModel
from gonogo.base.text import clean
from gonogo.base.units import dollars, duration
from gonogo.report.causes import cause_of
from gonogo.report.evidence import Evidence, storage_bytes
from gonogo.report.verdict_by_part import PartVerdict, at_fault, parts
from gonogo.report.wording import evidence_paths, headline, number, saved, unique
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
        storage_bytes=storage_bytes(facts.evidence),
        wasted_bytes=_wasted_bytes(verdict, facts.evidence),
        measured_checks=sum(check.value is not None for v in [*facts.passed, verdict] for check in v.checks),
        lessons=_lessons(verdict, facts, _total(stages)),
        commit_message=commit_message(verdict, by_part, _total(stages)),
    )


def commit_message(verdict: Verdict, by_part: Sequence[PartVerdict], spent: StageCost) -> str:
    """Text to paste. Lines of at most 72 characters, except for long words."""
    subject = f"{clean(verdict.experiment)}: {verdict.status.label} at {clean(verdict.title)}"
    found = unique([headline(verdict), verdict.summary])
    failed = [f"- {clean(check.id)}: {clean(check.why) or check.status.label}" for check in verdict.failed]
    verdicts = ", ".join(f"{part.name} {part.status.label}" for part in by_part)
    cost = f"Spent: {duration(spent.wall_s)}, {dollars(spent.usd)}. Saved: {saved(verdict.saved)}."
    paths = [f"Evidence: {path}" for path in evidence_paths(verdict)]
    lines = [
        subject,
        "",
        *found,
        *(["", *failed] if failed else []),
        "",
        f"By part: {verdicts}.",
        cost,
        *paths,
    ]
    return "\n".join(_wrapped(line) for line in lines)


def _wrapped(line: str) -> str:
    indent = "  " if line.startswith("- ") else ""
    return textwrap.fill(line, 72, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


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


def _wasted_bytes(verdict: Verdict, items: Sequence[Evidence]) -> int:
    """Size of the folders that the fault spoilt; single files are the evidence for it and remain useful."""
    if at_fault(verdict) != "data":
        return 0
    return storage_bytes([item for item in items if item.folder])


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
