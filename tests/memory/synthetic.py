"""Events without a trace, for tests of what comes after it."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from gonogo.memory.events import PHASES, Events


def events(changes: Sequence[tuple[int, int]], phase: str = "forward", op: str = "aten.conv2d") -> Events:
    """From (block, bytes): above 0 allocates, below 0 releases."""
    n = len(changes)
    return Events(
        block=np.array([block for block, _ in changes], dtype=np.int32),
        size=np.array([size for _, size in changes], dtype=np.int64),
        phase=np.full(n, PHASES.index(phase), dtype=np.int16),
        op=np.zeros(n, dtype=np.int32),
        module=np.zeros(n, dtype=np.int32),
        step=np.zeros(n, dtype=np.int16),
        phases=PHASES,
        ops=(op,),
        modules=("UNet",),
    )


def sequence(sizes: Sequence[int]) -> Events:
    """Allocate blocks 0, 1, … of these sizes, and release block -n where a size is -n (blocks count from 1 there)."""
    changes: list[tuple[int, int]] = []
    live: dict[int, int] = {}
    for size in sizes:
        if size > 0:
            live[len(live) + 1] = size
            changes.append((len(live), size))
        else:
            changes.append((-size, -live[-size]))
    return events(changes)


def churn(count: int, seed: int = 0, live: int = 600) -> Events:
    """`count` events as irregular as a training step's: sizes over seven orders of magnitude, any order of release."""
    chosen = random.Random(seed)
    held: list[tuple[int, int]] = []
    changes: list[tuple[int, int]] = []
    while len(changes) < count:
        if held and (len(held) >= live or chosen.random() < 0.48):
            block, size = held.pop(chosen.randrange(len(held)))
            changes.append((block, -size))
        else:
            block, size = len(changes), int(10 ** chosen.uniform(1, 8))
            held.append((block, size))
            changes.append((block, size))
    return events(changes)


WEIGHTS = 1_000_000_000
PER_SAMPLE = 2_000_000_000


def training_step(
    micro_batch_size: int,
    *,
    weights: int = WEIGHTS,
    per_sample: int = PER_SAMPLE,
    layers: int = 20,
    op: str = "aten.mm.default",
) -> Events:
    """Two steps of a network with Adam: `per_sample` bytes of activations a sample, in as many blocks as layers."""
    block = iter(range(1_000_000))
    rows: list[tuple[int, int, str, int]] = []

    def allocate(size: int, phase: str, step: int) -> int:
        found = next(block)
        rows.append((found, size, phase, step))
        return found

    part, activation = weights // layers, per_sample * micro_batch_size // layers
    for _ in range(layers):
        allocate(part, "model", -1)
    for step in range(2):
        kept = [allocate(activation, "forward", step) for _ in range(layers)]
        gradients = []
        for used in reversed(kept):
            gradients.append(allocate(part, "backward", step))
            rows.append((used, -activation, "backward", step))
        if step == 0:
            for _ in range(2 * layers):
                allocate(part, "optimizer", step)
        rows += [(gradient, -part, "zero_grad", step) for gradient in gradients]
    return Events(
        block=np.array([row[0] for row in rows], dtype=np.int32),
        size=np.array([row[1] for row in rows], dtype=np.int64),
        phase=np.array([PHASES.index(row[2]) for row in rows], dtype=np.int16),
        op=np.zeros(len(rows), dtype=np.int32),
        module=np.zeros(len(rows), dtype=np.int32),
        step=np.array([row[3] for row in rows], dtype=np.int16),
        phases=PHASES,
        ops=(op,),
        modules=("Linear",),
    )
