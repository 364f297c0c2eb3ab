"""What judging a set gives: checks, the cause, and the worst items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gonogo.verdict import Check, Status, status_of


@dataclass
class Judgement:
    """Unpacks as (checks, cause), like every gate's judgement.

    Attributes:
        checks: one for each question.
        cause: DATA, CAMERA, GENERATOR, LEAKAGE or UNREADABLE; empty where nothing is wrong.
        worst: findings of the worst items, worst first: all of a sample, of larger sets `fault_counts.KEPT`.
        items, bad: how many there are.
        more: items to generate before this can be decided; 0: decided.
        covered: how many files it is about, what was left out, and as what it was judged where that was not asked for.
    """

    checks: list[Check]
    cause: str
    worst: list[Any]
    items: int
    bad: int
    more: int = 0
    covered: str = ""

    @property
    def status(self) -> Status:
        return status_of(self.checks)

    def __iter__(self) -> Iterator[list[Check] | str]:
        return iter((self.checks, self.cause))
