"""Does the script fit the card, in each part of its run, and what does the run cost?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gonogo.base.units import gibibytes, gigabytes
from gonogo.config.accelerator import Accelerator
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.memory import cards as all_cards
from gonogo.memory.capacity import capacity_bytes
from gonogo.memory.estimate import MemoryEstimate
from gonogo.memory.judge_parts import beside_any_peak
from gonogo.memory.trace_result import Traced
from gonogo.script.card import cost
from gonogo.script.card.facts import CardFacts
from gonogo.script.endings import explain
from gonogo.verdict import Check, Status

STEADY = 2  # optimizer steps after which its state and the gradients exist
# words of errors that only a card that is not there can cause
OURS = ("FakeTensor", "fake tensor", "data pointer", "not compiled with CUDA", "torch._C' has no attribute", "Meta")
APART = "tensors to be on the same device"
NO_CARD = (
    "nothing was put on the card: the script trained on the processor. If an option of it chooses the card (`--device "
    "cuda`, `accelerator='gpu'`), give that in the command."
)


@dataclass(frozen=True)
class CardJudgement:
    """The checks of the memory part, and what they rest on."""

    checks: list[Check]
    # one row a card of the catalogue, the one with the least memory first; empty: not traced
    cards: list[all_cards.CardRow] = field(default_factory=list)
    cost: cost.Cost | None = None  # of the run on the card that was asked about; None: not counted


def judge(
    facts: CardFacts,
    folder: Path,
    accelerator: Accelerator,
    gate: MemoryGate | None = None,
    catalogue: Mapping[str, Accelerator] | None = None,
) -> CardJudgement:
    """The checks of the memory part, the peak first.

    Args:
        folder: where the pass left its trace.
        catalogue: cards to compare with; those of accelerators.yaml if not given.
    """
    gate = gate or MemoryGate()
    title = f"Peak of the script on {accelerator.title}"
    if not (folder / "trace.json").is_file():
        said = explain(facts)
        why = said.why if said else "the pass on the card ended without a trace"
        return CardJudgement([Check(id="peak_memory", title=title, status=Status.UNKNOWN, why=why)])
    traced = Traced.load(folder)
    if traced.events is None or (facts.backward_passes == 0 and facts.steps == 0):
        why = _nothing(facts, traced)
        return CardJudgement([Check(id="peak_memory", title=title, status=Status.UNKNOWN, why=why)])
    needed, capacity = all_cards.on(traced, accelerator), capacity_bytes(accelerator)
    checks = [_peak(facts, needed, capacity, title, gate)]
    checks += [*_stages(facts, needed), *beside_any_peak(needed, capacity, gate), *_precision(facts, accelerator)]
    others = all_cards.catalogue() if catalogue is None else catalogue
    rows = all_cards.table(all_cards.needs(traced, facts.architecture, others), gate)
    price = cost.cost(facts, accelerator)
    return CardJudgement([*checks, all_cards.cheapest_check(rows), *_cost(facts, accelerator, price)], rows, price)


def _nothing(facts: CardFacts, traced: Traced) -> str:
    if facts.untraceable:
        return f"the trace could not follow the script: {facts.untraceable}"
    if facts.error is not None:
        return f"the script ended before it trained: {_error(facts)}"
    if facts.ending == "out_of_time":
        return f"the script did not train within {facts.seconds:.0f} s"
    return NO_CARD if traced.events is None else "the script put tensors on the card and trained nothing there"


def _error(facts: CardFacts) -> str:
    assert facts.error is not None
    said = f"{facts.error.name}: {facts.error.message.strip().splitlines()[0] if facts.error.message.strip() else ''}"
    where = f" ({facts.error.where})" if facts.error.where else ""
    if APART in facts.error.message:
        return f"tensors on the card meet tensors on the processor{where}: move both by .to(device)"
    if any(word in line for line in [facts.error.message, *facts.error.lines[-2:]] for word in OURS):
        return f"it needs what only a real card has: {said}{where}"
    return f"{said}{where}"


def _peak(facts: CardFacts, estimate: MemoryEstimate, capacity: int | None, title: str, gate: MemoryGate) -> Check:
    status, needed = all_cards.weigh(estimate.needed_bytes, estimate.fits, capacity, gate), estimate.needed_bytes
    if needed is None or capacity is None:
        return Check(id="peak_memory", title=title, status=Status.UNKNOWN, why="the card's memory is not known")
    doubts = _doubts(facts)
    if status is not Status.NO_GO:
        short = facts.steps < STEADY and not facts.stage("steady step").reached
        status = max([status, *([Status.CAUTION] if doubts else [])], key=lambda one: one.severity)
        status = Status.UNKNOWN if short else status
    share = f"{100 * needed / capacity:.0f} % of {gigabytes(capacity)} = {gibibytes(capacity)}"
    why = f"the script needs {gigabytes(needed)} ({share}, {gate.error_range})"
    if status is Status.NO_GO:
        why += f": it will run out of memory, at {estimate.refused}"
    elif estimate.retries and needed > capacity:
        why += ": it fits only because cached memory is released, and each release stalls the card"
    elif all_cards.weigh(estimate.needed_bytes, estimate.fits, capacity, gate) is Status.CAUTION:
        why += ": tight"
    return Check(
        id="peak_memory", title=title, value=round(needed / 1e9, 2), unit="GB",
        threshold=f"<= {capacity / 1e9:.2f} GB, error range {gate.error_range}", status=status,
        why="" if status is Status.GO else "; ".join([why, *doubts]),
        hint="" if all_cards.weigh(estimate.needed_bytes, estimate.fits, capacity, gate) is Status.GO else HINT,
    )  # fmt: skip


HINT = (
    "A smaller batch with more accumulation leaves the result as it is; then gradient checkpointing, then half "
    "precision. Or take the card below that fits."
)


def _doubts(facts: CardFacts) -> list[str]:
    """What the peak rests on and nothing proves, or what it does not cover."""
    found = [f"assumed: {'; '.join(facts.guesses)}"] if facts.guesses else []
    if facts.untraceable:
        found.append(f"after {facts.steps} steps the trace could not go on: {facts.untraceable}")
    elif facts.error is not None and not facts.hurried:
        found.append(f"after {facts.steps} steps the script ended: {_error(facts)}")
    if facts.steps < STEADY:
        seen = "one optimizer step was" if facts.steps else "no whole optimizer step was"
        found.append(f"{seen} reached in {facts.seconds:.0f} s: later steps may need more")
    return found


def _stages(facts: CardFacts, estimate: MemoryEstimate) -> list[Check]:
    """What each part of the run needs, with context and workspaces; those that were not reached are named."""
    beside = sum(item.bytes for item in estimate.additions if item.hard)
    reached = [stage for stage in facts.stages if stage.reached and stage.reserved_bytes is not None]
    parts = [f"{stage.name} {gigabytes((stage.reserved_bytes or 0) + beside)}" for stage in reached]
    missing = [stage.why_not for stage in facts.stages if not stage.reached]
    return [
        Check(
            id="stages", title="Needed by each part of the run", value=", ".join(parts), status=Status.GO,
            why=f"not included: {'; '.join(missing)}" if missing else "",
        )
    ]  # fmt: skip


def _precision(facts: CardFacts, card: Accelerator) -> list[Check]:
    """Nothing where the card multiplies in the script's precision; elsewhere it would run, but slowly."""
    short = {"bfloat16": "bf16", "float16": "fp16"}.get(facts.autocast or facts.dtype, "")
    if not short or card.tflops_fp32 is None or getattr(card, f"tflops_{short}") is not None:
        return []
    return [
        Check(
            id="precision", title=f"Precision on {card.title}", value=facts.autocast or facts.dtype,
            threshold="one that the card multiplies in", status=Status.CAUTION,
            why=f"{card.title} has no {short} in hardware: it runs there, but slowly", hint="Use float16 or float32.",
        )
    ]  # fmt: skip


def _cost(facts: CardFacts, card: Accelerator, found: cost.Cost | None) -> list[Check]:
    if found is None:
        return []
    value = cost.described(found, facts)
    return [Check(id="cost", title=f"Time and price on {card.title}", value=value, status=Status.GO, why=found.basis)]
