"""One verdict of four parts about a script: its data as it feeds it, its wiring, its learning, its memory."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from gonogo.base.models import ClosedModel
from gonogo.memory.cards import CardRow
from gonogo.script.card.cost import Cost
from gonogo.script.card.facts import Stage
from gonogo.verdict import Check, Savings, Status, Verdict, decide, status_of

PartName = Literal["data", "wiring", "learning", "memory"]
PARTS: tuple[PartName, ...] = ("data", "wiring", "learning", "memory")


class Part(ClosedModel):
    """What the passes say about one part of the script."""

    name: PartName
    status: Status
    summary: str


class LossSteps(ClosedModel):
    """Losses that one line of the script called backward on."""

    where: str = Field(description="file:line")
    steps: list[int] = Field(description="optimizer steps done before each")
    losses: list[float | None] = Field(description="null: NaN or infinite")


class ScriptVerdict(Verdict):
    """A verdict whose checks belong to parts: the id of a check begins with its part, as in `wiring.no_gradient`."""

    command: str = Field(description="as it was typed")
    card: str = Field(description="title of the card that was asked about")
    parts: list[Part] = Field(description="data, wiring, learning, memory, in that order")
    seconds: float = Field(description="that both passes took")
    steps: dict[str, int] = Field(default_factory=dict, description="pass → optimizer steps that it saw")
    notes: list[str] = Field(default_factory=list, description="what was changed around the script, or assumed")
    curves: list[LossSteps] = Field(default_factory=list)
    stages: list[Stage] = Field(default_factory=list, description="of the run, with their peaks on the card")
    cards: list[CardRow] = Field(default_factory=list, description="of the catalogue, least memory first")
    cost: Cost | None = Field(None, description="of the run on the card; null: not counted")

    def of_part(self, name: PartName) -> list[Check]:
        """Its checks, gravest first."""
        own = [check for check in self.checks if check.id.startswith(f"{name}.")]
        return sorted(own, key=lambda check: -check.status.severity)


def script_verdict(
    parts: Mapping[PartName, Sequence[Check]],
    causes: Sequence[str],
    command: str,
    card: str,
    *,
    seconds: float,
    steps: Mapping[str, int],
    summary: str = "",
    notes: Sequence[str] = (),
    curves: Sequence[LossSteps] = (),
    stages: Sequence[Stage] = (),
    cards: Sequence[CardRow] = (),
    cost: Cost | None = None,
) -> ScriptVerdict:
    """Put the parts together. A part that nothing was measured of is UNKNOWN.

    Args:
        causes: words of the parts that are NO-GO, first cause first.
        summary: one sentence; empty: made from the gravest check.
    """
    named: list[Check] = []
    summaries: list[Part] = []
    for name in PARTS:
        found = list(parts.get(name, ()))
        if all(check.grey for check in found):
            found.append(_nothing(name))
        named += [check.model_copy(update={"id": f"{name}.{check.id}"}) for check in found]
        summaries.append(_part(name, found))
    whole = decide(
        named, gate="script", experiment=command, cause=next(iter(causes), ""), measured_at=dt.datetime.now(dt.UTC),
        inputs_digest=hashlib.sha256(command.encode()).hexdigest(), summary=summary, saved=_saved(cost),
    )  # fmt: skip
    return ScriptVerdict(
        **whole.model_dump(), command=command, card=card, parts=summaries, seconds=seconds, steps=dict(steps),
        notes=list(notes), curves=list(curves), stages=list(stages), cards=list(cards), cost=cost,
    )  # fmt: skip


def _saved(cost: Cost | None) -> Savings:
    """What stopping here saves: the whole run, where its length is known."""
    if cost is None or not cost.whole_run:
        return Savings()
    return Savings(seconds=3600 * cost.hours.mid, usd=cost.usd.mid if cost.usd else None)


def _nothing(name: PartName) -> Check:
    return Check(id="measured", title=f"Anything about {name}", status=Status.UNKNOWN, why=f"{name}: not measured")


def _part(name: PartName, checks: Sequence[Check]) -> Part:
    status = status_of(checks)
    telling = next(check for check in checks if check.status is status and not check.grey)
    passed = sum(check.status is Status.GO for check in checks)
    said = f"{passed} {'check passes' if passed == 1 else 'checks pass'}"
    return Part(name=name, status=status, summary=said if status is Status.GO else telling.why or telling.title)
