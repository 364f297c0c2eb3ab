"""What is kept of a run when its invocation ends: enough to compare it with another one, whatever runs later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field, ValidationError

from gonogo.base.models import ClosedModel
from gonogo.base.text import clean
from gonogo.report.curves import LossCurve
from gonogo.verdict import Verdict


class KeptPicture(ClosedModel):
    """A picture of the run; the ledger has it by its digest."""

    title: str
    digest: str


class RunRecord(ClosedModel):
    """One invocation's work on one experiment."""

    session: str
    experiment: str
    mode: str
    word: str = Field(description="the verdict, or how the run ended without one")
    note: str = ""
    origin: dict[str, str] = Field(default_factory=dict, description="versions, commit, target, paid run")
    settings: dict[str, Any] = Field(default_factory=dict, description="dotted key → value, defaults included")
    verdicts: list[Verdict] = Field(default_factory=list, description="that stood at its end")
    metrics: dict[str, float | None] = Field(default_factory=dict, description="null: not a finite number")
    pictures: list[KeptPicture] = Field(default_factory=list)
    curves: list[LossCurve] = Field(default_factory=list)
    viewers: list[str] = Field(default_factory=list, description="commands that open what trackers left of it")

    @classmethod
    def read(cls, text: str | None) -> RunRecord | None:
        """None where nothing was kept, or another version wrote it."""
        try:
            return None if text is None else cls.model_validate_json(text)
        except ValidationError:
            return None

    def digests(self) -> dict[str, str]:
        """Gate → digest of what it judged."""
        return {verdict.title: verdict.inputs_digest for verdict in self.verdicts}

    def texts(self) -> Iterator[tuple[str, str]]:
        """Every name with its value as text, for a search."""
        for name, value in {"note": self.note, "verdict": self.word, **self.origin, **self.settings}.items():
            yield clean(name), clean(value)
        for name, metric in self.metrics.items():
            yield clean(name), clean(metric)
        for verdict in self.verdicts:
            yield f"{clean(verdict.title)} gate", clean(f"{verdict.status.label} {verdict.cause}: {verdict.summary}")
            for check in verdict.checks:
                yield clean(check.title), clean(f"{check.status.label} {check.value} {check.unit}: {check.why}")
