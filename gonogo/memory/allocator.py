"""What a GPU's allocator would do with a step's allocations: PyTorch's caching allocator, replayed.

The rules are those of c10/cuda/CUDACachingAllocator.cpp (torch 2.6 to 2.13), which ROCm builds share. Sizes are rounded
to 512 B. Up to 1 MiB they come from segments of 2 MiB, below 10 MiB from segments of 20 MiB, else from segments of
their own, rounded to 2 MiB. The smallest free block that is large enough is taken, and split where enough remains; free
neighbours are merged. A segment stays with the process until an allocation fails: then every segment that is entirely
free is released, and the allocation is tried once more. With expandable segments there is one long range of addresses
per pool, backed by pages of 2 or 20 MiB as it grows, and every free page is released.

Each stream has pools of its own. Graphs' private pools and `garbage_collection_threshold` are not replayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gonogo.base.errors import UserError
from gonogo.memory.block_sizes import MIB, Rules
from gonogo.memory.events import Events
from gonogo.memory.heap import Block, Heap, OutOfDeviceMemory

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

    @property
    def rules(self) -> Rules:
        return Rules(self.expandable_segments, self.max_split_size_bytes, self.roundup_power2_divisions)


@dataclass(frozen=True)
class RefusedAllocation:
    """The allocation that could not be served, even after all cached memory had been released."""

    event: int
    requested_bytes: int
    phase: str
    module: str
    op: str

    def __str__(self) -> str:
        where = f" in {self.module}" if self.module else ""
        return f"{self.requested_bytes / 1e6:.1f} MB for {self.op}{where}, {self.phase}"


@dataclass(frozen=True)
class Replay:
    """What the allocator did."""

    peak_requested_bytes: int  # sum of what tensors asked for, at its highest
    peak_reserved_bytes: int  # taken from the device, cached blocks included (`torch.cuda.max_memory_reserved`)
    oom_at: RefusedAllocation | None  # the allocation that failed; None: all were served
    retries: int  # how often all cached memory was released to serve an allocation; each one stalls the device
    # (N,) int64 bytes taken from the device after each event, up to the one that failed
    reserved_after: np.ndarray = field(compare=False)


def replay(events: Events, capacity_bytes: int | None = None, settings: AllocatorSettings | None = None) -> Replay:
    """Serve the events one by one from a device that has `capacity_bytes` for the allocator (None: no limit).

    It ends at the first allocation that cannot be served: that is the verdict on a step that runs out of memory.

    Raises:
        ValueError: the events release what is not allocated, allocate a block twice, or the capacity is negative.
    """
    if capacity_bytes is not None and capacity_bytes < 0:
        raise ValueError(f"capacity_bytes is {capacity_bytes}; it cannot be negative")
    options = settings or AllocatorSettings()
    heap = Heap(options.rules, capacity_bytes)
    streams: dict[int, int] = dict(events.streams.tolist())
    live: dict[int, tuple[Block, int]] = {}
    requested = peak_requested = 0
    oom_at = None
    reserved: list[int] = []
    for index, (block, size) in enumerate(zip(events.block.tolist(), events.size.tolist(), strict=True)):
        if size > 0:
            if block in live:
                raise ValueError(f"event {index} allocates block {block}, which is allocated already")
            try:
                live[block] = (heap.allocate(size, streams.get(block, 0)), size)
            except OutOfDeviceMemory:
                oom_at = _refused(events, index)
                break
            requested += size
            peak_requested = max(peak_requested, requested)
        elif size < 0:
            if block not in live:
                raise ValueError(f"event {index} releases block {block}, which is not allocated")
            place, its_size = live.pop(block)
            heap.release(place)
            requested -= its_size
        reserved.append(heap.reserved)
    return Replay(
        peak_requested_bytes=peak_requested,
        peak_reserved_bytes=heap.peak_reserved,
        oom_at=oom_at,
        retries=heap.retries,
        reserved_after=np.array(reserved, dtype=np.int64),
    )


def _refused(events: Events, index: int) -> RefusedAllocation:
    return RefusedAllocation(
        event=index,
        requested_bytes=int(events.size[index]),
        phase=events.phases[events.phase[index]],
        module=events.modules[events.module[index]],
        op=events.ops[events.op[index]],
    )
