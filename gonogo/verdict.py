"""The value that every gate hands on: a verdict, made of checks.

A verdict is plain JSON (schema: docs/verdict.schema.json, made by `python -m gonogo.verdict`).
`gonogo.report.render` turns it into text, Markdown and HTML.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field, model_validator

from gonogo.base.files import write_text
from gonogo.base.models import ClosedModel, read_model


class Status(StrEnum):
    """What a check or a gate found, from good to grave. UNKNOWN is "not measured", and never passes a gate."""

    GO = "GO"
    CAUTION = "CAUTION"
    UNKNOWN = "UNKNOWN"
    NO_GO = "NO_GO"

    @property
    def label(self) -> str:
        return self.value.replace("_", "-")

    @property
    def passes(self) -> bool:
        return self in (Status.GO, Status.CAUTION)

    @property
    def severity(self) -> int:
        """0 for GO to 3 for NO_GO."""
        return list(Status).index(self)

    @property
    def mark(self) -> str:
        """One character of text."""
        return _SHOWN[self].mark

    @property
    def light(self) -> str:
        """A coloured circle, for documents."""
        return _SHOWN[self].light

    @property
    def colour(self) -> str:
        """As the terminal names it."""
        return _SHOWN[self].colour

    @property
    def rgb(self) -> str:
        """On a light page: `#2da44e`."""
        return _SHOWN[self].rgb

    @property
    def exit_code(self) -> int:
        """Of a command that ends with this verdict."""
        return _SHOWN[self].exit_code


class _Shown(NamedTuple):
    mark: str
    light: str
    colour: str
    rgb: str
    exit_code: int


_SHOWN = {
    Status.GO: _Shown("✓", "🟢", "green", "#2da44e", 0),
    Status.CAUTION: _Shown("!", "🟡", "yellow", "#e3a008", 0),
    Status.UNKNOWN: _Shown("?", "⚪", "bright_black", "#8b949e", 2),
    Status.NO_GO: _Shown("✗", "🔴", "red", "#d1242f", 1),
}


def worst(statuses: Iterable[Status]) -> Status:
    """The gravest of several statuses; GO for none."""
    return max(statuses, key=lambda status: status.severity, default=Status.GO)


class Check(ClosedModel):
    """One measured quantity held against one threshold.

    One that says GO without a value, or with one that says that it is none, becomes grey: UNKNOWN and not `needed`.
    """

    id: str = Field(description="stable name, for machines: `darkness`")
    title: str = Field(description="for people: `Brightness of the views against their input`")
    value: float | int | str | bool | None = Field(default=None, description="measured; null: not measured")
    unit: str = ""
    threshold: str = Field(default="", description="what is required, with its figure: `>= 0.45`")
    status: Status
    why: str = Field(default="", description="the cause in the user's terms")
    hint: str = Field(default="", description="what to do now")
    evidence: list[str] = Field(default_factory=list, description="files that show it")
    needed: bool = Field(
        default=True, description="whether the gate waits for it; what was not measured and is not needed stops nothing"
    )

    @model_validator(mode="after")
    def _never_green_unmeasured(self) -> Check:
        if self.status is Status.GO and (self.value is None or str(self.value).startswith("not ")):
            self.why = self.why or ("" if self.value is None else str(self.value))
            self.value, self.status, self.needed = None, Status.UNKNOWN, False
        return self

    @property
    def grey(self) -> bool:
        """Whether it was not measured, and no gate waits for it."""
        return self.status is Status.UNKNOWN and not self.needed


class Override(ClosedModel):
    """A NO-GO that a named person decided to pass, with the reason."""

    experiment: str = Field(description="experiment whose gate is passed")
    gate: str = Field(description="gate that is passed, e.g. `quality`")
    by: str = Field(min_length=1, description="name of the person who decided")
    reason: str = Field(min_length=10, description="why, in at least ten characters")


class Savings(ClosedModel):
    """What stopping here saves: the rest of the plan, which is not run."""

    seconds: float | None = None
    usd: float | None = None


class Verdict(ClosedModel):
    """The outcome of one gate for one experiment."""

    gate: str
    experiment: str
    mode: str = Field(default="", description="empty for gates that do not depend on the mode")
    scope: str = Field(default="", description="part that was judged where a gate judges several: `sample`")
    status: Status
    cause: str = Field(default="", description="one word for the cause: DATA, CAMERA, …; empty for GO")
    summary: str = Field(description="one sentence")
    checks: list[Check]
    measured_at: dt.datetime
    inputs_digest: str = Field(description="sha256 of the data, code and config that were judged")
    more: int = Field(default=0, description="number of items to generate before this can be decided; 0: decided")
    saved: Savings = Field(default_factory=Savings)
    override: Override | None = None

    @property
    def go(self) -> bool:
        """Whether the work may continue: the status passes, or a named person overrode it."""
        return self.status.passes or self.override is not None

    @property
    def title(self) -> str:
        return f"{self.gate} ({self.scope})" if self.scope else self.gate

    @property
    def failed(self) -> list[Check]:
        """Checks that do not pass, gravest first."""
        bad = [check for check in self.checks if not check.status.passes and not check.grey]
        return sorted(bad, key=lambda check: -check.status.severity)

    def write(self, path: Path) -> None:
        write_text(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> Verdict:
        return read_model(cls, path)


def threshold_check(
    id_: str,
    title: str,
    value: float | int | str | bool | None,
    threshold: str,
    good: bool | None,
    *,
    why: str,
    hint: str = "",
    unit: str = "",
) -> Check:
    """A check that is GO, or NO-GO for the reason given; UNKNOWN where `good` is None, because it was not measured."""
    status = Status.UNKNOWN if good is None else Status.GO if good else Status.NO_GO
    if good:
        why = hint = ""
    return Check(id=id_, title=title, value=value, unit=unit, threshold=threshold, status=status, why=why, hint=hint)


def not_measured(id_: str, title: str, why: str, *, hint: str = "", threshold: str = "") -> Check:
    """A grey check: nobody could measure it, or asked for it, and no gate waits for it."""
    return Check(id=id_, title=title, threshold=threshold, status=Status.UNKNOWN, why=why, hint=hint, needed=False)


def status_of(checks: Iterable[Check]) -> Status:
    """The gravest status of what was measured, or is needed; UNKNOWN where that is nothing."""
    counted = [check.status for check in checks if not check.grey]
    return worst(counted) if counted else Status.UNKNOWN


def decide(checks: Iterable[Check], covered: str = "", **fields: Any) -> Verdict:
    """A verdict whose status is the gravest of its checks, with a summary where none is given.

    Args:
        covered: what the verdict is about, which its summary then says as well.
    """
    checks = list(checks)
    verdict = Verdict(status=status_of(checks), checks=checks, summary=fields.pop("summary", ""), **fields)
    if not verdict.summary:
        verdict.summary = _summary(verdict)
    if covered and covered != verdict.summary:
        verdict.summary += f"; {covered}"
    return verdict


def _summary(verdict: Verdict) -> str:
    if verdict.failed:
        first = verdict.failed[0]
        return first.why or f"{first.title}: {first.value} {first.unit}".strip()
    warned = [check for check in verdict.checks if check.status is Status.CAUTION]
    if warned:
        return warned[0].why or f"{warned[0].title}: {warned[0].value} {warned[0].unit}".strip()
    passed = sum(check.status is Status.GO for check in verdict.checks)
    if not passed:
        return "nothing was measured"
    unmeasured = len(verdict.checks) - passed
    said = "its check passes" if passed == 1 else f"all {passed} checks pass"
    return f"{said}; {unmeasured} not measured" if unmeasured else said


if __name__ == "__main__":
    print(json.dumps(Verdict.model_json_schema(), indent=2))
