"""What stays allocated from step to step, and grows until the card is full."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from gonogo.memory.events import Events
    from gonogo.memory.recorder import AllocationRecorder

ROUNDED_BYTES = 512  # the least that the allocator gives out
NODE_BYTES = 450  # of host memory, of one node of autograd's graph (measured, 101 of them)
DEEPEST = 100_000  # nodes that are counted


class Growth(BaseModel):
    """Memory that each optimizer step leaves behind."""

    bytes_per_step: int = Field(description="on the card, as the allocator rounds it")
    what: str = Field("", description="operation and module that made the largest part")
    where: str = Field("", description="line of the project's code that made it, where it is known")
    graph_nodes: int = Field(0, description="of autograd's graph that are kept with it, a step")
    ends_with_epoch: bool = Field(False, description="the end of an epoch releases it")

    @property
    def host_bytes_per_step(self) -> int:
        """Of this machine's memory, for the graph."""
        return self.graph_nodes * NODE_BYTES


def growth(events: Events, upto: int | None = None) -> Growth | None:
    """What every step but the first and the last left behind; None where one of them left nothing.

    Args:
        upto: rows that count; None: all.
    """
    import numpy as np

    block, size, step = events.block[:upto], events.size[:upto], events.step[:upto]
    last = int(step.max(initial=-1))
    if last < 3:  # a step that makes a cache or a state leaves something behind once
        return None
    gone = np.isin(block, block[size < 0])
    kept = [np.flatnonzero((size > 0) & ~gone & (step == number)) for number in range(1, last)]
    totals = [int(np.maximum(size[rows], ROUNDED_BYTES).sum()) for rows in kept]
    least = int(np.argmin(totals))
    if not totals[least]:
        return None
    row = int(kept[-1][np.argmax(size[kept[-1]])])
    module = events.modules[events.module[row]]
    what = events.ops[events.op[row]] + (f" in {module}" if module else "")
    return Growth(bytes_per_step=totals[least], what=what)


def with_source(found: Growth, recorder: AllocationRecorder, since: int) -> Growth:
    """The same with the line that made the largest block since row `since`, and the graph that is kept with it."""
    alive = recorder.alive(since)
    placed = {block: size for block, size in alive.items() if recorder.places.get(block)}
    where = recorder.places[max(placed, key=lambda block: placed[block])] if placed else ""
    return found.model_copy(update={"where": where, "graph_nodes": _graph_nodes(recorder, set(alive))})


def _graph_nodes(recorder: AllocationRecorder, blocks: set[int]) -> int:
    """Of the largest graph that a tensor in one of these blocks belongs to."""
    roots = [
        tensor for tensor in gc.get_objects() if recorder.block_of(tensor) in blocks and tensor.grad_fn is not None
    ]
    return max((_reachable(tensor.grad_fn) for tensor in roots), default=0)


def _reachable(node: Any) -> int:
    seen, left = {node}, [node]
    while left and len(seen) < DEEPEST:
        for following, _ in left.pop().next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                left.append(following)
    return len(seen)
