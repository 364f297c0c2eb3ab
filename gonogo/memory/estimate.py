"""From a step's events to what a card must have: workspaces added, and replayed by the allocator at its capacity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.memory.capacity import capacity_bytes
from gonogo.memory.overheads import Addition, additions, is_matrix_product

if TYPE_CHECKING:  # numpy, which those who only judge an estimate do not need
    from gonogo.memory.allocator import AllocatorSettings
    from gonogo.memory.events import Events
    from gonogo.memory.trace_result import Traced

CACHED = "rounded up, or cached by the allocator"


class MemoryEstimate(BaseModel):
    """What one training step needs on one accelerator. Bytes."""

    micro_batch_size: int
    accumulate_grad_batches: int
    precision: str
    parameters: int = Field(0, description="that are trained")
    operations: int = 0
    live_bytes: int | None = Field(None, description="peak of what tensors ask for; null: could not be traced")
    reserved_bytes: int | None = Field(None, description="peak that the allocator takes where it may take all it wants")
    fits: bool | None = Field(None, description="every allocation is served on this card; null: not known")
    refused: str = Field("", description="the allocation that is not, where `fits` is false")
    retries: int = Field(0, description="times that all cached memory is freed for a step to fit")
    additions: list[Addition] = Field(default_factory=list, description="beside the tensors")
    components_bytes: dict[str, int] = Field(default_factory=dict, description="what the peak is made of")
    guessed: list[str] = Field(default_factory=list, description="values that the trace had to assume")
    error: str = Field("", description="why there is no estimate")
    seconds: float = Field(0, description="that it took")

    @property
    def needed_bytes(self) -> int | None:
        """Reserved, and what the step cannot do without beside it."""
        if self.reserved_bytes is None:
            return None
        return self.reserved_bytes + sum(item.bytes for item in self.additions if item.kind == "context")


def failed(training: Training, error: str, seconds: float = 0.0) -> MemoryEstimate:
    """No number, and why."""
    return MemoryEstimate(**_of(training), error=error, seconds=seconds)


def _of(training: Training) -> dict[str, Any]:
    return {
        "micro_batch_size": training.micro_batch_size,
        "accumulate_grad_batches": training.accumulate_grad_batches,
        "precision": training.precision,
    }


def estimate(
    traced: Traced, training: Training, accelerator: Accelerator, environment: Mapping[str, str] | None = None
) -> MemoryEstimate:
    """What the traced step needs on the accelerator, and whether it runs there.

    Args:
        environment: variables of the training process; the accelerator's own come with it.

    Raises:
        UserError: the allocator's options in the environment cannot be read.
    """
    from gonogo.memory.allocator import AllocatorSettings
    from gonogo.memory.components import components

    if traced.events is None:
        return failed(training, traced.error or "the trace has no events", traced.seconds)
    extra = additions(accelerator, traced.events.ops)
    facts = {
        **_of(training), "parameters": traced.parameters, "operations": traced.operations, "additions": extra,
        "guessed": traced.guesses, "seconds": traced.seconds,
    }  # fmt: skip
    parts = components(traced.events, traced.kinds)
    capacity = capacity_bytes(accelerator)
    context = sum(item.bytes for item in extra if item.kind == "context")
    room = None if capacity is None else max(capacity - context, 0)
    if accelerator.is_this_machine:  # no caching allocator: what tensors ask for is what the process takes
        return MemoryEstimate(**facts, **_on_a_processor(traced.events, room), components_bytes=parts)
    settings = AllocatorSettings.from_environment({**accelerator.environment, **(environment or {})})
    found = _on_a_card(with_kept_workspaces(traced.events, extra), room, settings)
    parts |= {item.name: item.bytes for item in extra if item.kind == "kept"}
    parts[CACHED] = found["reserved_bytes"] - sum(parts.values())
    return MemoryEstimate(**facts, **found, components_bytes=parts)


def _on_a_processor(events: Events, room: int | None) -> dict[str, Any]:
    live = int(events.live_bytes().max(initial=0))
    fits = None if room is None else live <= room
    refused = "this machine's RAM is less than the step's tensors" if fits is False else ""
    return {"live_bytes": live, "reserved_bytes": live, "fits": fits, "refused": refused}


def _on_a_card(events: Events, room: int | None, settings: AllocatorSettings) -> dict[str, Any]:
    from gonogo.memory.allocator import replay

    free = replay(events, None, settings)
    held = free if room is None or free.peak_reserved_bytes <= room else replay(events, room, settings)
    return {
        "live_bytes": free.peak_requested_bytes,
        "reserved_bytes": free.peak_reserved_bytes,
        "fits": None if room is None else held.oom_at is None,
        "refused": str(held.oom_at) if held.oom_at else "",
        "retries": held.retries,
    }


def with_kept_workspaces(events: Events, extra: Sequence[Addition]) -> Events:
    """The same events with each kept workspace allocated before the first operation that needs it."""
    import numpy as np

    from gonogo.memory.events import Events

    kept = [item for item in extra if item.kind == "kept"]
    if not kept or not len(events):
        return events
    matrix = np.array([is_matrix_product(op) for op in events.ops], dtype=bool)
    forward = events.phase == events.phases.index("forward")
    first = int(np.argmax(matrix[events.op] & forward)) if (matrix[events.op] & forward).any() else 0
    n = len(kept)
    return Events(
        block=np.insert(events.block, first, np.arange(n) + int(events.block.max()) + 1),
        size=np.insert(events.size, first, [item.bytes for item in kept]),
        phase=np.insert(events.phase, first, [events.phases.index("forward")] * n),
        op=np.insert(events.op, first, np.arange(n) + len(events.ops)),
        module=np.insert(events.module, first, [len(events.modules)] * n),
        step=np.insert(events.step, first, [int(events.step[first])] * n),
        phases=events.phases,
        ops=(*events.ops, *(item.name for item in kept)),
        modules=(*events.modules, ""),
    )
