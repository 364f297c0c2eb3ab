"""A step's events with the workspaces in them that libraries take for themselves: the kept ones, and the fastest."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from gonogo.memory.allocator import AllocatorSettings, replay
from gonogo.memory.events import Events
from gonogo.memory.overheads import Addition, is_matrix_product
from gonogo.memory.trace_result import Traced


def fastest_bytes(
    traced: Traced, extra: Sequence[Addition], settings: AllocatorSettings, reserved: int, context: int
) -> int | None:
    """Needed where every convolution gets the workspace of its fastest algorithm; None: no convolution takes one."""
    if not traced.workspaces or traced.events is None:
        return None
    events = with_kept_workspaces(with_workspaces(traced.events, traced.workspaces), extra)
    return max(replay(events, None, settings).peak_reserved_bytes, reserved) + context


def with_workspaces(events: Events, workspaces: Sequence[tuple[int, int]]) -> Events:
    """The same events with blocks that are allocated before a row and released at once: (row, bytes)."""
    rows = np.repeat([row for row, _ in workspaces], 2)
    sizes = np.ravel([(size, -size) for _, size in workspaces])
    blocks = np.repeat(np.arange(len(workspaces)) + int(events.block.max()) + 1, 2)
    near = np.minimum(rows, len(events) - 1)
    return dataclasses.replace(
        events,
        block=np.insert(events.block, rows, blocks), size=np.insert(events.size, rows, sizes),
        phase=np.insert(events.phase, rows, events.phase[near]), op=np.insert(events.op, rows, events.op[near]),
        module=np.insert(events.module, rows, events.module[near]),
        step=np.insert(events.step, rows, events.step[near]),
    )  # fmt: skip


def with_kept_workspaces(events: Events, extra: Sequence[Addition]) -> Events:
    """The same events with each kept workspace allocated before the first operation that needs it."""
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
        streams=events.streams,
    )
