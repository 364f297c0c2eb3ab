"""The variants of a sweep side by side: gates, skill, cost; the best first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from gonogo.base.text import clean
from gonogo.base.units import dollars, duration
from gonogo.report import tables

DASH = "–"
SCORES = ["skill", "smoke skill", "smoke loss", "steps"]


class VariantRow(BaseModel):
    """One variant."""

    name: str
    values: dict[str, Any] = Field(description="by dotted key, what is its own")
    verdict: str = Field(description="GO, CAUTION, NO-GO or UNKNOWN, or what the chain is doing")
    gates_passed: int
    stopped_by: str = Field("", description="the gate that stopped it, and its cause word")
    smoke_steps: int | None = Field(None, description="optimizer steps of the smoke run")
    smoke_skill: float | None = Field(None, description="held-out, at the end of the smoke run")
    smoke_loss: float | None = Field(None, description="at its end: of validation where there is one, else of training")
    result_skill: float | None = Field(None, description="of the paid run's checkpoint")
    seconds: float = Field(description="of all its stages")
    usd: float = Field(description="spent so far")
    forecast_usd: float | None = None

    @property
    def rank(self) -> tuple[bool, float, bool, float, bool, float]:
        """Sorts the best first: by the result's skill, the smoke run's, its loss; what has none comes last."""
        return (
            self.result_skill is None,
            -(self.result_skill or 0.0),
            self.smoke_skill is None,
            -(self.smoke_skill or 0.0),
            self.smoke_loss is None,
            self.smoke_loss or 0.0,
        )


def best_first(rows: Sequence[VariantRow]) -> list[VariantRow]:
    return sorted(rows, key=lambda row: row.rank)


def to_csv(rows: Sequence[VariantRow]) -> str:
    """A column for each dotted key, and the figures; empty: not measured."""
    return tables.to_csv(
        [{"name": row.name, **row.values, **row.model_dump(exclude={"name", "values"})} for row in rows]
    )


def to_json(rows: Sequence[VariantRow]) -> str:
    return tables.to_json([row.model_dump(mode="json") for row in rows]) + "\n"


def to_markdown(sweep: str, rows: Sequence[VariantRow]) -> str:
    head, *cells = _cells(sweep, rows)
    lines = [head, ["---"] * len(head), *cells]
    return "\n".join([f"# {sweep}: {len(rows)} variants", "", *(f"| {' | '.join(line)} |" for line in lines), ""])


def to_text(sweep: str, rows: Sequence[VariantRow]) -> str:
    head, *cells = _cells(sweep, rows)
    return tables.aligned(head, cells, right=[*SCORES, "spent", "forecast"])


def _cells(sweep: str, rows: Sequence[VariantRow]) -> list[list[str]]:
    head = ["variant", "verdict", "stopped by", *SCORES, "time", "spent", "forecast"]
    lines = [
        [
            clean(row.name.removeprefix(f"{sweep}-")),
            row.verdict,
            clean(row.stopped_by) or DASH,
            _number(row.result_skill),
            _number(row.smoke_skill),
            _number(row.smoke_loss),
            DASH if row.smoke_steps is None else str(row.smoke_steps),
            duration(row.seconds),
            dollars(row.usd),
            DASH if row.forecast_usd is None else dollars(row.forecast_usd),
        ]
        for row in rows
    ]
    return [head, *lines]


def _number(value: float | None) -> str:
    return DASH if value is None else f"{value:.3g}"
