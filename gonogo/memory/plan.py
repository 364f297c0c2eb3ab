"""The batch plan: what would be trained, what else would fit, and what to change if memory runs out anyway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field

from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.memory.capacity import LEAST_ROOM_BYTES
from gonogo.memory.cards import CardRow, cheapest_first
from gonogo.memory.cards import table as weighed
from gonogo.memory.choice import changes, choose, weigh
from gonogo.memory.estimate import MemoryEstimate
from gonogo.memory.line import Line
from gonogo.memory.options import divisors, with_micro_batch
from gonogo.memory.overheads import Addition
from gonogo.memory.plan_search import Candidate, Explored
from gonogo.verdict import Status

CONSERVATIVE = 0.6  # of the card: leaves room for validation, pictures and another's desktop
WORDS = {Status.GO: "safe", Status.CAUTION: "tight", Status.NO_GO: "OOM", Status.UNKNOWN: "not known"}
TABLE_SIZES = 9


class BatchRow(BaseModel):
    """One micro-batch without other changes."""

    micro_batch_size: int
    needed_bytes: int
    share: float = Field(description="of the card")
    verdict: str = Field(description="safe, tight, OOM")
    traced: bool = Field(description="false: interpolated between two traced sizes")


class Change(BaseModel):
    """One row of the log of changes."""

    key: str
    old: Any
    new: Any
    reason: str


class Setting(BaseModel):
    """One of three ways to fill the card; all with the effective batch asked for, or each with its own."""

    name: str
    meaning: str
    micro_batch_size: int
    accumulate_grad_batches: int
    precision: str
    needed_bytes: int
    share: float
    verdict: str
    traced: bool = Field(True, description="false: interpolated, or beyond the sizes that were traced")


class LadderStep(BaseModel):
    """What to change when memory ran out on the step before: keys that are merged over the run's own."""

    training: dict[str, Any]
    settings: dict[str, Any]
    options: list[str]
    needed_bytes: int
    slowdown: float
    slowdown_sources: list[str]
    exact: bool
    verdict: str


class Plan(BaseModel):
    """What the memory gate plans for one experiment on one card."""

    accelerator: str
    capacity_bytes: int | None
    accumulates: bool = Field(True, description="a smaller micro-batch is made up for by accumulation")
    status: Status = Field(description="of the plan that would be trained")
    training: Training = Field(description="that would be trained")
    replanned: bool = Field(description="it differs from the plan that was asked for")
    estimate: MemoryEstimate = Field(description="of the plan that would be trained")
    asked_bytes: int | None = Field(description="needed by the plan that was asked for")
    line: Line | None = Field(description="needed bytes by micro-batch")
    largest_safe: int | None = Field(description="micro-batch with all the room that the gate wants; 0: none")
    largest_fitting: int | None = Field(description="micro-batch that fits at all; 0: none")
    search_ended: bool = Field(False, description="no larger micro-batch was considered, though the card takes more")
    batches: list[BatchRow] = Field(default_factory=list)
    changes: list[Change] = Field(default_factory=list, description="made by `on_no_go: replan`, or advised")
    settings: list[Setting] = Field(default_factory=list)
    cards: list[CardRow] = Field(
        default_factory=list, description="of the catalogue, cheapest first, for the plan that was asked for"
    )
    ladder: list[LadderStep] = Field(
        default_factory=list, description="what to change, step by step, if memory runs out"
    )

    @property
    def components_bytes(self) -> dict[str, int]:
        """What `needed_bytes` is made of; empty: not traced."""
        if self.needed_bytes is None:
            return {}
        context = {item.name: item.bytes for item in self.additions if item.kind == "context"}
        return {**self.estimate.components_bytes, **context}

    @property
    def needed_bytes(self) -> int | None:
        """By the plan that would be trained, context included."""
        return self.estimate.needed_bytes

    @property
    def slowdown_sources(self) -> list[str]:
        """Sources of the ladder's step times, each once."""
        return list(dict.fromkeys(source for step in self.ladder for source in step.slowdown_sources))

    @property
    def additions(self) -> list[Addition]:
        return self.estimate.additions


def plan_from(
    explored: Explored, accelerator: Accelerator, gate: MemoryGate, candidate: Candidate | None = None
) -> Plan:
    """Choose among what was traced; the same traces and thresholds give the same plan.

    Args:
        candidate: what the gate chose, where it has judged already.
    """
    candidate = candidate or choose(explored, gate)
    asked = explored.asked
    assert candidate.estimate is not None  # only traced plans are chosen
    plan = Plan(
        accelerator=accelerator.title,
        capacity_bytes=explored.capacity_bytes,
        accumulates=explored.accumulates,
        status=weigh(candidate, explored.capacity_bytes, gate),
        training=candidate.training,
        replanned=candidate is not asked,
        estimate=candidate.estimate,
        asked_bytes=asked.needed_bytes,
        line=explored.line,
        largest_safe=None,
        largest_fitting=explored.largest_fitting,
        search_ended=explored.search_ended,
        cards=cheapest_first(weighed(explored.cards, gate)),
    )
    if explored.capacity_bytes is None or asked.needed_bytes is None:
        return plan
    if explored.line is not None:
        table = _Table(explored, explored.capacity_bytes, explored.line, gate)
        plan.largest_safe = table.largest_safe()
        plan.batches = [table.row(size) for size in table.sizes()]
        plan.settings = table.settings(asked.training) if explored.accumulates else []
    plan.changes = list(_log(explored, candidate, gate))
    downwards = explored.candidates[explored.candidates.index(candidate) :]
    plan.ladder = [_step(item, explored.capacity_bytes, gate) for item in downwards]
    return plan


class _Table:
    """Micro-batches as traced, or as the line gives them, with the gate's word on each."""

    def __init__(self, explored: Explored, capacity: int, line: Line, gate: MemoryGate) -> None:
        self.explored, self.capacity, self.line, self.gate = explored, capacity, line, gate
        self.traced = {
            candidate.micro_batch_size: candidate for candidate in explored.sizes if candidate.needed_bytes is not None
        }

    def candidate(self, size: int) -> Candidate:
        if size in self.traced:
            return self.traced[size]
        needed, largest = self.line.at(size), self.explored.largest_fitting
        fits = needed <= self.capacity if largest is None or self.explored.search_ended else size <= largest
        training = self.explored.asked.training.model_copy(update={"micro_batch_size": size})
        return Candidate(training=training, needed_bytes=needed, fits=fits)

    def row(self, size: int) -> BatchRow:
        candidate = self.candidate(size)
        assert candidate.needed_bytes is not None
        return BatchRow(
            micro_batch_size=size,
            needed_bytes=candidate.needed_bytes,
            share=candidate.needed_bytes / self.capacity,
            verdict=WORDS[weigh(candidate, self.capacity, self.gate)],
            traced=size in self.traced,
        )

    def sizes(self) -> list[int]:
        """The one asked for, parts and multiples of it, the largest safe one and the largest that fits."""
        asked = self.explored.asked.micro_batch_size
        largest = self.explored.largest_fitting or 0
        beyond = 0 if self.explored.search_ended else largest + 1
        ends = {size for size in (self.largest_safe(), largest, beyond) if size}
        around = [size for size in (asked, asked * 3 // 2, asked * 2, asked // 2, asked // 4, asked * 4, 1) if size]
        chosen_sizes = set(list(dict.fromkeys([asked, *sorted(ends), *around]))[:TABLE_SIZES])
        return sorted(chosen_sizes)

    def largest(self) -> int:
        """That fits: as far as it was searched, and where larger batches are asked for as far as the line goes."""
        if self.explored.search_ended and self.gate.larger_batches:
            return self.line.largest_within(self.capacity)
        return self.explored.largest_fitting or 0

    def largest_safe(self) -> int:
        """With the room that the gate wants; assumed values are not counted."""
        gate, capacity = self.gate, self.capacity
        room = min(
            capacity - max(LEAST_ROOM_BYTES, gate.caution_margin * capacity), capacity / (1 + gate.estimate_error)
        )
        size = min(self.line.largest_within(room), self.largest())
        while size > 0 and weigh(self.candidate(size), capacity, gate) is Status.NO_GO:
            size -= 1
        return size

    def settings(self, asked: Training) -> list[Setting]:
        """The effective batch in the largest parts that stay within each bound; where larger batches are asked for,
        the largest batches that do.
        """
        careful = self.line.largest_within(CONSERVATIVE * self.capacity)
        bounds = [
            ("conservative", f"at most {100 * CONSERVATIVE:.0f} % of the card", careful),
            ("moderate", "with the room that the gate wants", self.largest_safe()),
            ("aggressive", "the largest that fits the card", self.largest()),
        ]
        settings = []
        for name, meaning, bound in bounds:
            training = self._filling(asked, bound)
            if training is None:
                continue
            size, row = training.micro_batch_size, self.row(training.micro_batch_size)
            settings.append(
                Setting(
                    name=name, meaning=meaning, micro_batch_size=size, precision=training.precision,
                    accumulate_grad_batches=training.accumulate_grad_batches, needed_bytes=row.needed_bytes,
                    share=row.share, verdict=row.verdict, traced=row.traced,
                )
            )  # fmt: skip
        return settings

    def _filling(self, asked: Training, bound: int) -> Training | None:
        """None: not even one sample is within the bound."""
        whole = asked.card_batch_size
        if self.gate.larger_batches and bound > whole:
            changed = {"micro_batch_size": bound // whole * whole, "accumulate_grad_batches": 1}
            return asked.model_copy(update=changed)
        size = next((part for part in divisors(whole) if part <= bound), None)
        return None if size is None else with_micro_batch(asked, size)


def _log(explored: Explored, candidate: Candidate, gate: MemoryGate) -> Iterator[Change]:
    """What was changed, or, where the plan asked for does not pass and was kept, what should be."""
    asked, capacity = explored.asked, explored.capacity_bytes
    advised = candidate is asked and weigh(asked, capacity, gate) is Status.NO_GO
    target = (
        next((item for item in explored.candidates[1:] if weigh(item, capacity, gate).passes), None)
        if advised
        else candidate
    )
    if target is None or target is asked:
        return
    share = (asked.needed_bytes or 0) / (capacity or 1)
    reason = f"{100 * share:.0f} % of the card as asked for" + (", not made: advised" if advised else "")
    for key, old, new in changes(asked, target):
        yield Change(key=key, old=old, new=new, reason=reason)


def _step(candidate: Candidate, capacity: int, gate: MemoryGate) -> LadderStep:
    assert candidate.needed_bytes is not None
    keys = ("micro_batch_size", "accumulate_grad_batches", "precision")
    whole = candidate.training.model_dump(mode="json")
    return LadderStep(
        training={key: whole[key] for key in keys},
        settings=candidate.settings,
        options=candidate.options,
        needed_bytes=candidate.needed_bytes,
        slowdown=candidate.slowdown,
        slowdown_sources=candidate.slowdown_sources,
        exact=candidate.exact,
        verdict=WORDS[weigh(candidate, capacity, gate)],
    )
