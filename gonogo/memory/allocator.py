"""What a GPU's allocator would do with a step's allocations: PyTorch's caching allocator, replayed.

The rules are those of c10/cuda/CUDACachingAllocator.cpp (torch 2.6 to 2.13), which ROCm builds share. Sizes are rounded
to 512 B. Up to 1 MiB they come from segments of 2 MiB, below 10 MiB from segments of 20 MiB, else from segments of
their own, rounded to 2 MiB. The smallest free block that is large enough is taken, and split where enough remains; free
neighbours are merged. A segment stays with the process until an allocation fails: then every segment that is wholly
free is given back, and the allocation is tried once more. With expandable segments there is one long range of
addresses a pool, backed by pages of 2 or 20 MiB as it grows, and what is given back is every free page.

One stream is replayed. Graphs' private pools and `garbage_collection_threshold` are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gonogo.base.errors import UserError
from gonogo.memory.events import Events
from gonogo.memory.heap import Heap, OutOfDeviceMemory, Rules

MIB = 1 << 20
# of these the first that is set counts
CONF_VARIABLES = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_HIP_ALLOC_CONF", "PYTORCH_ALLOC_CONF")


@dataclass(frozen=True)
class AllocatorSettings:
    """The options of PYTORCH_CUDA_ALLOC_CONF that change where a block comes from."""

    expandable_segments: bool = False
    max_split_size_bytes: int | None = None
    roundup_power2_divisions: int = 0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> AllocatorSettings:
        """As the framework reads `expandable_segments:True,max_split_size_mb:128`; other options are ignored.

        Raises:
            UserError: an option's value is not of its kind.
        """
        name = next((name for name in CONF_VARIABLES if environment.get(name)), None)
        if name is None:
            return cls()
        options = dict(part.strip().split(":", 1) for part in environment[name].split(",") if ":" in part)
        try:
            split_mb = int(options["max_split_size_mb"]) if "max_split_size_mb" in options else None
            divisions = int(options.get("roundup_power2_divisions", 0))
        except ValueError as error:
            raise UserError(f"{name}={environment[name]}: {error}; write whole numbers, as in 128") from None
        return cls(
            expandable_segments=options.get("expandable_segments", "False").lower() == "true",
            max_split_size_bytes=None if split_mb is None else split_mb * MIB,
            roundup_power2_divisions=divisions,
        )


@dataclass(frozen=True)
class Refused:
    """The allocation that could not be served, even after everything cached had been given back."""

    event: int
    requested_bytes: int
    phase: str
    module: str
    op: str

    def __str__(self) -> str:
        where = f" in {self.module}" if self.module else ""
        return f"{self.requested_bytes / 1e6:.1f} MB for {self.op}{where}, {self.phase}"


@dataclass(frozen=True)
class AllocatorTimeline:
    """After each event, up to the last one that was served: (n,) int64 bytes."""

    requested_bytes: np.ndarray
    allocated_bytes: np.ndarray
    reserved_bytes: np.ndarray


@dataclass(frozen=True)
class Replay:
    """What the allocator did.

    Attributes:
        peak_requested_bytes: sum of what tensors asked for, at its highest.
        peak_allocated_bytes: the same in blocks, which are rounded up (`torch.cuda.max_memory_allocated`).
        peak_reserved_bytes: taken from the device, cached blocks included (`torch.cuda.max_memory_reserved`).
        oom_at: the allocation that failed; None: all were served.
        retries: how often everything cached was given back to serve an allocation; each one stalls the device.
        segments: how often memory was asked of the device.
    """

    peak_requested_bytes: int
    peak_allocated_bytes: int
    peak_reserved_bytes: int
    oom_at: Refused | None
    retries: int
    segments: int
    timeline: AllocatorTimeline

    @property
    def oom(self) -> bool:
        return self.oom_at is not None


def replay(events: Events, capacity_bytes: int | None = None, settings: AllocatorSettings | None = None) -> Replay:
    """Serve the events one by one from a device that has `capacity_bytes` for the allocator (None: no limit).

    It ends at the first allocation that cannot be served: that is the verdict on a step that runs out of memory.

    Raises:
        ValueError: the events release what is not allocated, allocate a block twice, or the capacity is negative.
    """
    if capacity_bytes is not None and capacity_bytes < 0:
        raise ValueError(f"capacity_bytes is {capacity_bytes}; it cannot be negative")
    chosen = settings or AllocatorSettings()
    rules = Rules(
        expandable=chosen.expandable_segments,
        max_split=chosen.max_split_size_bytes,
        divisions=chosen.roundup_power2_divisions,
    )
    heap = Heap(rules, capacity_bytes)
    requested, allocated, reserved = _serve(heap, events)
    timeline = AllocatorTimeline(*(np.array(values, dtype=np.int64) for values in (requested, allocated, reserved)))
    served = len(requested)
    return Replay(
        peak_requested_bytes=max(requested, default=0),
        peak_allocated_bytes=max(allocated, default=0),
        peak_reserved_bytes=heap.peak_reserved,
        oom_at=_refused(events, served) if served < len(events) else None,
        retries=heap.retries,
        segments=heap.segments,
        timeline=timeline,
    )


def _serve(heap: Heap, events: Events) -> tuple[list[int], list[int], list[int]]:
    """Bytes requested, allocated and reserved after each event that was served."""
    requested: list[int] = []
    allocated: list[int] = []
    reserved: list[int] = []
    live: dict[int, tuple[object, int]] = {}
    wanted = 0
    for index, (block, size) in enumerate(zip(events.block.tolist(), events.size.tolist(), strict=True)):
        if size > 0:
            if block in live:
                raise ValueError(f"event {index} allocates block {block}, which is allocated already")
            try:
                live[block] = (heap.allocate(size), size)
            except OutOfDeviceMemory:
                break
            wanted += size
        elif size < 0:
            if block not in live:
                raise ValueError(f"event {index} releases block {block}, which is not allocated")
            place, asked = live.pop(block)
            heap.release(place)  # type: ignore[arg-type]
            wanted -= asked
        requested.append(wanted)
        allocated.append(heap.allocated)
        reserved.append(heap.reserved)
    return requested, allocated, reserved


def _refused(events: Events, index: int) -> Refused:
    return Refused(
        event=index,
        requested_bytes=int(events.size[index]),
        phase=events.phases[events.phase[index]],
        module=events.modules[events.module[index]],
        op=events.ops[events.op[index]],
    )
