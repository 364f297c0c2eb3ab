"""Does the planned step fit the card?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import Field

from gonogo.base.units import gibibytes, gigabytes
from gonogo.config.accelerator import Accelerator
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.measurements import Measured
from gonogo.memory.choice import _tight, chosen, describe, weigh
from gonogo.memory.estimate import Estimate
from gonogo.memory.plan_search import Candidate, Explored, held_bytes
from gonogo.verdict import Check, Status

# the dtype that a precision multiplies in, and the catalogue's key of its peak
_MULTIPLIES_IN = {
    "bf16-mixed": "bf16", "bf16-true": "bf16", "16-mixed": "fp16", "16-true": "fp16", "32-true": "fp32",
}  # fmt: skip


class Measurements(Measured):
    accelerator: Accelerator
    explored: Explored = Field(description="the plan asked for, and the ones around it")

    @property
    def estimate(self) -> Estimate:
        """Of the plan that was asked for."""
        found = self.explored.asked.estimate
        assert found is not None  # `explore` traces the plan asked for
        return found

    @property
    def capacity_bytes(self) -> int | None:
        return self.explored.capacity_bytes


@dataclass(frozen=True)
class PlanJudgement:
    """Unpacks as (checks, cause), like every gate's judgement.

    Attributes:
        plan: the one that would be trained.
    """

    checks: list[Check]
    cause: str
    plan: Candidate

    def __iter__(self) -> Iterator[list[Check] | str]:
        return iter((self.checks, self.cause))


def judge(measured: Measurements, gate: MemoryGate) -> PlanJudgement:
    """The plan that would be trained, with the estimate's error, against the card."""
    rung = chosen(measured.explored, gate)
    checks = [*_precision(rung, measured.accelerator), _peak(rung, measured, gate)]
    if rung is not measured.explored.asked:
        checks.append(_replanned(rung, measured, gate))
    return PlanJudgement(checks, "MEMORY" if any(check.status is Status.NO_GO for check in checks) else "", rung)


def _peak(rung: Candidate, measured: Measurements, gate: MemoryGate) -> Check:
    card, capacity, needed = measured.accelerator.title, measured.capacity_bytes, rung.needed_bytes
    title = f"Peak of a training step on {card}, micro-batch {rung.micro_batch_size}"
    status = weigh(rung, capacity, gate)
    if needed is None or capacity is None:
        error = rung.estimate.error if rung.estimate else ""
        why = f"the step could not be traced: {error}" if needed is None else "the card's memory is not known"
        hint = "An unknown peak is not a GO. Make the step traceable, or record an override with its reason."
        return Check(id="peak_memory", title=title, status=Status.UNKNOWN, why=why, hint=hint)
    return Check(
        id="peak_memory", title=title, value=round(needed / 1e9, 2), unit="GB",
        threshold=f"<= {capacity / 1e9:.2f} GB, error range {gate.error_range}", status=status,
        why="" if status is Status.GO else _why(rung, needed, capacity, gate),
        hint="" if status is Status.GO else _hint(measured.explored, gate),
    )  # fmt: skip


def _why(rung: Candidate, needed: int, capacity: int, gate: MemoryGate) -> str:
    share = f"{100 * needed / capacity:.0f} % of {gigabytes(capacity)} = {gibibytes(capacity)}"
    needs = f"the step needs {gigabytes(needed)} ({share}, {gate.error_range})"
    if not rung.fits:
        refused = rung.estimate.refused if rung.estimate else ""
        return f"{needs}: it will run out of memory" + (f", at {refused}" if refused else "")
    if needed > capacity:
        retries = rung.estimate.retries if rung.estimate else 0
        return (
            f"{needs}: it fits only because cached memory is given back {retries} times, and each time the card waits"
        )
    found = f"{needs}: tight" if _tight(needed, capacity, gate) else needs
    return f"{found}; the trace had to assume {'; '.join(rung.guessed)}" if rung.guessed else found


def _hint(explored: Explored, gate: MemoryGate) -> str:
    """The cheapest change that has enough room."""
    asked, capacity = explored.asked, explored.capacity_bytes
    better = next((rung for rung in explored.rungs[1:] if weigh(rung, capacity, gate) is Status.GO), None)
    better = better or next((rung for rung in explored.rungs[1:] if weigh(rung, capacity, gate).passes), None)
    if better is None and capacity is not None and held_bytes(asked) > capacity:
        return (
            f"Weights and what belongs to them alone take {gigabytes(held_bytes(asked))}: no batch is small enough. "
            "Take a card with more memory, a smaller model, or keep its weights in fewer bits."
        )
    if better is None:
        return "No change that the experiment offers makes it fit: take a card with more memory, or a smaller model."
    return f"{describe(asked, better)} (plan.md beside the verdict). {_replan(better, gate)}".strip()


def _replan(rung: Candidate, gate: MemoryGate) -> str:
    offered = gate.on_no_go == "halt" and not rung.settings
    return "`gates.memory.on_no_go: replan` does that by itself." if offered else ""


def _replanned(rung: Candidate, measured: Measurements, gate: MemoryGate) -> Check:
    asked = measured.explored.asked
    needed, capacity = asked.needed_bytes or 0, measured.capacity_bytes or 0
    lasting = "" if rung.exact else " It changes the result."
    return Check(
        id="replanned", title="Plan changed, so that it fits", value=describe(asked, rung),
        threshold="on_no_go: replan", status=Status.CAUTION,
        why=f"as asked for, {_why(asked, needed, capacity, gate)}; changed to {describe(asked, rung)}",
        hint=f"Write the change into the experiment's YAML, if it is to stay.{lasting}",
    )  # fmt: skip


def _precision(rung: Candidate, card: Accelerator) -> list[Check]:
    """Nothing for what the card multiplies; it would run, and slowly, so that the plan's figures do not hold."""
    precision = rung.training.precision
    dtype = _MULTIPLIES_IN[precision]
    known = card.tflops_fp32 is not None
    if not known or card.is_this_machine or getattr(card, f"tflops_{dtype}") is not None:
        return []
    why = f"{card.title} has no {dtype} in hardware: {precision} runs there, and is slow"
    return [
        Check(
            id="precision",
            title=f"Precision on {card.title}",
            value=precision,
            threshold="one that the card multiplies in",
            status=Status.CAUTION,
            why=why,
            hint="Take 16-mixed, or 32-true.",
        )
    ]
