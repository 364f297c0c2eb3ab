"""Does the planned step fit the card?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import Field

from gonogo.base.units import gibibytes, gigabytes
from gonogo.config.accelerator import Accelerator
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.measurements import Measured
from gonogo.memory.capacity import is_tight
from gonogo.memory.cards import cheapest_check, table
from gonogo.memory.choice import choose, describe, weigh
from gonogo.memory.estimate import MemoryEstimate
from gonogo.memory.judge_parts import beside_the_peak
from gonogo.memory.part_names import CHECKPOINT, STEP, VALIDATION
from gonogo.memory.plan_search import Candidate, Explored
from gonogo.verdict import Check, Status

# the dtype that a precision multiplies in, and the catalogue's key of its peak
_MULTIPLIES_IN = {
    "bf16-mixed": "bf16", "bf16-true": "bf16", "16-mixed": "fp16", "16-true": "fp16", "32-true": "fp32",
}  # fmt: skip


class Measurements(Measured):
    accelerator: Accelerator
    explored: Explored = Field(description="the plan asked for, and the ones around it")

    @property
    def estimate(self) -> MemoryEstimate:
        """Of the plan that was asked for."""
        estimate = self.explored.asked.estimate
        assert estimate is not None  # `explore` traces the plan asked for
        return estimate

    @property
    def capacity_bytes(self) -> int | None:
        return self.explored.capacity_bytes


@dataclass(frozen=True)
class PlanJudgement:
    """Unpacks as (checks, cause), like every gate's judgement."""

    checks: list[Check]
    cause: str
    plan: Candidate  # the one that would be trained

    def __iter__(self) -> Iterator[list[Check] | str]:
        return iter((self.checks, self.cause))


def judge(measured: Measurements, gate: MemoryGate) -> PlanJudgement:
    """The plan that would be trained, with the estimate's error, against the card."""
    plan = choose(measured.explored, gate)
    checks = [*_precision(plan, measured.accelerator), _peak(plan, measured, gate)]
    if plan.estimate is not None:
        checks += beside_the_peak(plan.estimate, measured.capacity_bytes, gate)
    checks += _useless(measured.explored)
    if plan is not measured.explored.asked:
        checks.append(_replanned(plan, measured, gate))
    if measured.explored.run is not None:  # of a script: the plans of others list the cards in their document alone
        checks += [*_largest(measured), *_cheapest(measured, gate)]
    return PlanJudgement(checks, "MEMORY" if any(check.status is Status.NO_GO for check in checks) else "", plan)


def _peak(plan: Candidate, measured: Measurements, gate: MemoryGate) -> Check:
    card, capacity, needed = measured.accelerator.title, measured.capacity_bytes, plan.needed_bytes
    batch = f", micro-batch {plan.micro_batch_size}" if measured.explored.batch_argument else ""
    title = f"Peak of a training step on {card}{batch}"
    status = weigh(plan, capacity, gate)
    if needed is None or capacity is None:
        error = plan.estimate.error if plan.estimate else ""
        why = f"the step could not be traced: {error}" if needed is None else "the card's memory is not known"
        hint = "An unknown peak is not a GO. Make the step traceable, or record an override with its reason."
        return Check(id="peak_memory", title=title, status=Status.UNKNOWN, why=why, hint=hint)
    return Check(
        id="peak_memory", title=title, value=round(needed / 1e9, 2), unit="GB",
        threshold=f"<= {capacity / 1e9:.2f} GB, error range {gate.error_range}", status=status,
        why="" if status is Status.GO else _why(plan, needed, capacity, gate),
        hint="" if status is Status.GO else _hint(measured.explored, gate),
    )  # fmt: skip


def _why(plan: Candidate, needed: int, capacity: int, gate: MemoryGate) -> str:
    share = f"{100 * needed / capacity:.0f} % of {gigabytes(capacity)} = {gibibytes(capacity)}"
    needs = f"the step needs {gigabytes(needed)} ({share}, {gate.error_range})"
    if not plan.fits:
        return f"{needs}: it will run out of memory{_refused(plan.estimate)}"
    if needed > capacity:
        retries = plan.estimate.retries if plan.estimate else 0
        times = "once" if retries == 1 else f"{retries} times"
        return f"{needs}: it fits only because cached memory is released {times}, and each release stalls the card"
    tight = f"{needs}: tight" if is_tight(needed, capacity, gate) else needs
    return f"{tight}; the trace had to assume {'; '.join(plan.guessed)}" if plan.guessed else tight


def _refused(found: MemoryEstimate | None) -> str:
    """In which part of the run, at which allocation, and what of it still fits."""
    if found is None or not found.refused:
        return ""
    part = found.refused_in
    if part in ("", STEP):
        return f", at {found.refused}"
    before = list(found.parts_bytes)[: list(found.parts_bytes).index(part)] if part in found.parts_bytes else []
    fits = f"; {before[-1]} fits" if before else ""
    where = f"in {part}" if part in (VALIDATION, CHECKPOINT) else f"at {part}"
    return f" {where}, at {found.refused}{fits}"


def _hint(explored: Explored, gate: MemoryGate) -> str:
    """The cheapest change that has enough room."""
    asked, capacity, others = explored.asked, explored.capacity_bytes, explored.candidates[1:]
    better = next((plan for plan in others if weigh(plan, capacity, gate) is Status.GO), None)
    better = better or next((plan for plan in others if weigh(plan, capacity, gate).passes), None)
    if better is None and capacity is not None and asked.held_bytes > capacity:
        return (
            f"Weights, gradients and optimizer state alone take {gigabytes(asked.held_bytes)}: no batch is small "
            "enough. Choose a card with more memory, a smaller model, or fewer bits for its weights."
        )
    if better is None and explored.largest_fitting and "{}" in explored.batch_argument:
        argument = explored.batch_argument.format(explored.largest_fitting)
        return f"Write `{argument}` into command.train: it is the largest that fits. Or choose a card with more memory."
    if better is None:
        return "No change that the experiment offers makes it fit: choose a card with more memory, or a smaller model."
    automatic = gate.on_no_go == "halt" and not better.settings
    replan = " `gates.memory.on_no_go: replan` does that automatically." if automatic else ""
    return f"{describe(asked, better)} (plan.md beside the verdict).{replan}"


def _largest(measured: Measurements) -> list[Check]:
    """The largest batch that fits, of a script whose batch can be set; what stands above it says how it is known."""
    explored = measured.explored
    if not explored.cards or explored.largest_fitting is None or explored.asked.needed_bytes is None:
        return []
    title = f"Largest {explored.batch_argument} on {measured.accelerator.title}"
    largest = explored.largest_fitting
    above = next((size for size in explored.sizes if size.micro_batch_size > largest), None)
    if above is None:
        why = "no larger one was tried"
    elif above.needed_bytes is None:
        error = above.estimate.error if above.estimate else ""
        why = f"{above.micro_batch_size} could not be traced: {error}"
    else:
        why = f"{above.micro_batch_size} was traced, needs {gigabytes(above.needed_bytes)} and does not fit"
    status = Status.GO if largest else Status.NO_GO
    return [Check(id="largest_batch", title=title, value=largest, status=status, why=why)]


def _cheapest(measured: Measurements, gate: MemoryGate) -> list[Check]:
    found = measured.explored.cards
    return [cheapest_check(table(found, gate))] if found else []


def _useless(explored: Explored) -> list[Check]:
    """Changes that the experiment offers and that save nothing: they are never advised."""
    if not explored.useless:
        return []
    said = ", ".join(f"{name} saves {max(saves, 0) / 1e9:.1f} GB here" for name, saves in explored.useless.items())
    grow = [name for name, saves in explored.useless.items() if saves < 0]
    return [
        Check(
            id="no_saving", title="Changes that save nothing", value=said, status=Status.GO,
            why=f"with {', '.join(grow)} the step needs more than without" if grow else "",
        )
    ]  # fmt: skip


def _replanned(plan: Candidate, measured: Measurements, gate: MemoryGate) -> Check:
    asked = measured.explored.asked
    needed, capacity = asked.needed_bytes or 0, measured.capacity_bytes or 0
    result = "" if plan.exact else " It changes the result."
    return Check(
        id="replanned", title="Plan changed to fit the card", value=describe(asked, plan),
        threshold="on_no_go: replan", status=Status.CAUTION,
        why=f"as asked for, {_why(asked, needed, capacity, gate)}; changed to {describe(asked, plan)}",
        hint=f"To keep the change, write it into the experiment's YAML.{result}",
    )  # fmt: skip


def _precision(plan: Candidate, card: Accelerator) -> list[Check]:
    """Whether the card multiplies in the plan's precision; where a better one is at hand, what it would be."""
    precision = plan.training.precision
    dtype = _MULTIPLIES_IN[precision]
    if card.tflops_fp32 is None or card.is_this_machine:
        return []
    found = Check(
        id="precision", title=f"Precision on {card.title}", value=precision,
        threshold="one that the card multiplies in", status=Status.GO, why=_better_precision(dtype, card),
    )  # fmt: skip
    if getattr(card, f"tflops_{dtype}") is None:
        why = f"{card.title} has no {dtype} in hardware: {precision} runs there, but slowly"
        changed = {"status": Status.CAUTION, "why": why, "hint": "Use 16-mixed or 32-true."}
        return [found.model_copy(update=changed)]
    return [found] if found.why else []


def _better_precision(dtype: str, card: Accelerator) -> str:
    """In plain words; empty: there is none. torch leaves TF32 off for products of matrices."""
    half = f"bf16-mixed, at {card.tflops_bf16:g} TFLOPS, needs no loss scale" if card.tflops_bf16 else ""
    if dtype == "fp16" and half:
        return f"fp16 is not TF32: it overflows above 65,504, which a loss scale only delays. {half}: use that here"
    if dtype == "fp32" and card.tflops_tf32:
        switched = f"with torch.set_float32_matmul_precision('high') in TF32, at {card.tflops_tf32:g}"
        return f"matrix products run at {card.tflops_fp32:g} TFLOPS; {switched}. {half}"
    return ""
