"""Which of the plans that were traced is taken, and what it changes."""

from __future__ import annotations

from gonogo.base.units import gigabytes
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.memory.plan_search import Candidate, Explored
from gonogo.verdict import Status

LEAST_ROOM_BYTES = 1e9


def chosen(explored: Explored, gate: MemoryGate) -> Candidate:
    """The plan asked for; with `on_no_go: replan`, where it does not pass, the cheapest change that does.

    Only what changes training keys is taken without asking: other settings make another model, about which the gates
    before this one have said nothing.
    """
    asked = explored.asked
    if gate.on_no_go == "halt" or weigh(asked, explored.capacity_bytes, gate) is not Status.NO_GO:
        return asked
    passing = (
        rung
        for rung in explored.rungs[1:]
        if not rung.settings and rung.estimate and weigh(rung, explored.capacity_bytes, gate).passes
    )
    return next(passing, asked)


def weigh(rung: Candidate, capacity_bytes: int | None, gate: MemoryGate) -> Status:
    """One plan's need against the card.

    NO-GO: the allocator's replay at the card's capacity does not serve it. CAUTION: less room than 1 GB, than the
    gate's margin or than the estimate's own error is left, or a value was assumed.
    """
    if rung.needed_bytes is None or capacity_bytes is None or rung.fits is None:
        return Status.UNKNOWN
    if not rung.fits:
        return Status.NO_GO
    return Status.CAUTION if rung.guessed or _tight(rung.needed_bytes, capacity_bytes, gate) else Status.GO


def _tight(needed_bytes: int, capacity_bytes: int, gate: MemoryGate) -> bool:
    margin = max(LEAST_ROOM_BYTES, gate.caution_margin * capacity_bytes, gate.estimate_error * needed_bytes)
    return capacity_bytes - needed_bytes < margin


def describe(asked: Candidate, rung: Candidate) -> str:
    """What is changed, in one phrase, with its need."""
    parts = [f"{key} {old} → {new}" for key, old, new in changes(asked, rung)]
    assert rung.needed_bytes is not None
    return f"{', '.join(parts)}: {gigabytes(rung.needed_bytes)}"


def changes(asked: Candidate, rung: Candidate) -> list[tuple[str, object, object]]:
    """Key, old and new value, of training keys and settings that differ."""
    old, new = asked.training.model_dump(), rung.training.model_dump()
    found: list[tuple[str, object, object]] = [(key, old[key], new[key]) for key in old if old[key] != new[key]]
    return [*found, *((key, None, value) for key, value in _flat(rung.settings))]


def _flat(settings: dict[str, object], prefix: str = "settings") -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for key, value in settings.items():
        found += _flat(value, f"{prefix}.{key}") if isinstance(value, dict) else [(f"{prefix}.{key}", value)]
    return found
