"""Which of the traced plans is trained, and what it changes."""

from __future__ import annotations

from gonogo.base.mappings import flat
from gonogo.base.units import gigabytes
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.memory.capacity import is_tight
from gonogo.memory.plan_search import Candidate, Explored
from gonogo.verdict import Status


def choose(explored: Explored, gate: MemoryGate) -> Candidate:
    """The plan asked for; with `on_no_go: replan`, where it does not pass, the cheapest change that does.

    Only changes to training keys are made without asking: other settings make another model, about which the gates
    before this one have said nothing.
    """
    asked, capacity = explored.asked, explored.capacity_bytes
    if gate.on_no_go == "halt" or weigh(asked, capacity, gate) is not Status.NO_GO:
        return asked
    of_training = (plan for plan in explored.candidates[1:] if plan.estimate and not plan.settings)
    return next((plan for plan in of_training if weigh(plan, capacity, gate).passes), asked)


def weigh(plan: Candidate, capacity_bytes: int | None, gate: MemoryGate) -> Status:
    """One plan's need against the card.

    NO-GO: the allocator's replay at the card's capacity does not serve it. CAUTION: less room than 1 GB, than the
    gate's margin or than the estimate's own error is left, or a value was assumed.
    """
    if plan.needed_bytes is None or capacity_bytes is None or plan.fits is None:
        return Status.UNKNOWN
    if not plan.fits:
        return Status.NO_GO
    return Status.CAUTION if plan.guessed or is_tight(plan.needed_bytes, capacity_bytes, gate) else Status.GO


def describe(asked: Candidate, plan: Candidate) -> str:
    """What is changed, in one phrase, with the memory it needs."""
    parts = [f"{key} {old} → {new}" for key, old, new in changes(asked, plan)]
    assert plan.needed_bytes is not None
    return f"{', '.join(parts)}: {gigabytes(plan.needed_bytes)}"


def changes(asked: Candidate, plan: Candidate) -> list[tuple[str, object, object]]:
    """Key, old and new value, of training keys and settings that differ."""
    old, new = asked.training.model_dump(), plan.training.model_dump()
    found: list[tuple[str, object, object]] = [(key, old[key], new[key]) for key in old if old[key] != new[key]]
    return [*found, *((key, None, value) for key, value in flat(plan.settings, "settings.").items())]
