"""From a step's events to what a card must have: workspaces added, and replayed by the allocator at its capacity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.memory.capacity import capacity_bytes
from gonogo.memory.families import Family, family_of
from gonogo.memory.growth import Growth
from gonogo.memory.overheads import Addition, additions
from gonogo.memory.part_names import STEP
from gonogo.memory.parts import part_at, parts_of
from gonogo.memory.step_curve import StepCurve, step_curve

if TYPE_CHECKING:  # numpy, which those who only judge an estimate do not need
    import numpy as np

    from gonogo.memory.allocator import AllocatorSettings
    from gonogo.memory.events import Events
    from gonogo.memory.trace_result import Traced

HELD = (
    "weights",
    "frozen weights",
    "frozen weights cast to 32 bits",
    "buffers",
    "gradients",
    "optimizer state",
    "moving average",
)
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
    parts_bytes: dict[str, int] = Field(
        default_factory=dict, description="part of a run → its peak, with context and what is cached until then"
    )
    missing: dict[str, str] = Field(default_factory=dict, description="part of a run that was not traced → why")
    refused_in: str = Field("", description="part of the run in which that is")
    growth: Growth | None = Field(None, description="what stays allocated from step to step; null: nothing")
    planned_steps: int = Field(0, description="optimizer steps of the run; 0: not known")
    epoch_steps: int = Field(0, description="optimizer steps of an epoch; 0: not known")
    compiled: str = Field("", description="how it is compiled on the card, though it was traced as it stands")
    loading_bytes: int = Field(
        0, description="of weights that are packed into few bits, where a library loads them all before; 0: none are"
    )
    checkpointing_saves_bytes: int | None = Field(
        None, description="of gradient checkpointing, where the step has it; null: it has none"
    )
    fastest_bytes: int | None = Field(
        None, description="needed with the workspaces of the libraries' fastest algorithms; null: not known"
    )
    family: Family = Field("other", description="whose error range holds: what its layers are")
    looked: list[str] = Field(default_factory=list, description="what the shapes are from")
    curve: StepCurve | None = Field(None, description="over the step; null: no ordinary step was traced")
    error: str = Field("", description="why there is no estimate")
    seconds: float = Field(0, description="that it took")

    @property
    def needed_bytes(self) -> int | None:
        """Reserved, and what the step cannot do without beside it."""
        if self.reserved_bytes is None:
            return None
        return self.reserved_bytes + self._context_bytes

    @property
    def held_bytes(self) -> int:
        """From the first step to the last: weights, gradients, optimizer state and the context."""
        return sum(size for name, size in self.components_bytes.items() if name in HELD) + self._context_bytes

    @property
    def _context_bytes(self) -> int:
        return sum(item.bytes for item in self.additions if item.kind == "context")


def failed(training: Training, error: str, seconds: float = 0.0) -> MemoryEstimate:
    """No number, and why."""
    return MemoryEstimate(**_of(training), error=error, seconds=seconds)


def note_saving(found: MemoryEstimate, plain: MemoryEstimate) -> None:
    """Note in the estimate what gradient checkpointing saves, by that of the steps alone without it."""
    step = found.parts_bytes.get(STEP)
    if step is not None and plain.needed_bytes is not None:
        found.checkpointing_saves_bytes = plain.needed_bytes - step


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
    from gonogo.memory.inserted import fastest_bytes, with_kept_workspaces

    if traced.events is None:
        return failed(training, traced.error or "the trace has no events", traced.seconds)
    extra = additions(accelerator, traced.events.ops)
    facts = {
        **_of(training), "parameters": traced.parameters, "operations": traced.operations, "additions": extra,
        "guessed": traced.guesses, "seconds": traced.seconds, "missing": traced.missing, "growth": traced.growth,
        "planned_steps": traced.planned_steps, "epoch_steps": traced.epoch_steps, "compiled": traced.compiled,
        "loading_bytes": traced.loading_bytes,
        "looked": traced.looked, "family": family_of(traced.events.ops),
        "curve": step_curve(traced.events, traced.batches),
    }  # fmt: skip
    parts = components(traced.events, traced.kinds)
    capacity = capacity_bytes(accelerator)
    context = sum(item.bytes for item in extra if item.kind == "context")
    room = None if capacity is None else max(capacity - context, 0)
    if accelerator.is_this_machine:  # no caching allocator: what tensors ask for is what the process takes
        live = traced.events.live_bytes()
        found = _on_a_processor(live, room) | {"parts_bytes": parts_of(traced.events, live, traced.batches)}
        return MemoryEstimate(**facts, **found, components_bytes=parts)
    settings = AllocatorSettings.from_environment({**accelerator.environment, **(environment or {})})
    found = _on_a_card(with_kept_workspaces(traced.events, extra), room, settings, traced.batches, context)
    found["fastest_bytes"] = fastest_bytes(traced, extra, settings, found["reserved_bytes"], context)
    parts |= {item.name: item.bytes for item in extra if item.kind == "kept"}
    parts[CACHED] = found["reserved_bytes"] - sum(parts.values())
    return MemoryEstimate(**facts, **found, components_bytes=parts)


def _on_a_processor(after: np.ndarray, room: int | None) -> dict[str, Any]:
    live = int(after.max(initial=0))
    fits = None if room is None else live <= room
    refused = "this machine's RAM is less than the step's tensors" if fits is False else ""
    return {"live_bytes": live, "reserved_bytes": live, "fits": fits, "refused": refused}


def _on_a_card(
    events: Events, room: int | None, settings: AllocatorSettings, batches: Mapping[int, str], context: int
) -> dict[str, Any]:
    from gonogo.memory.allocator import replay

    free = replay(events, None, settings)
    held = free if room is None or free.peak_reserved_bytes <= room else replay(events, room, settings)
    return {
        "live_bytes": free.peak_requested_bytes,
        "reserved_bytes": free.peak_reserved_bytes,
        "fits": None if room is None else held.oom_at is None,
        "refused": str(held.oom_at) if held.oom_at else "",
        "retries": held.retries,
        "refused_in": part_at(events, held.oom_at.event, batches) if held.oom_at else "",
        "parts_bytes": parts_of(events, free.reserved_after + context, batches),
    }
