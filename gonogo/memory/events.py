"""Allocations and releases of a few training steps, in the order in which the GPU's allocator would see them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from gonogo.memory.part_names import CHECKPOINT, VALIDATION


@dataclass(frozen=True)
class Events:
    """One row an event, N in all.

    Attributes:
        block: (N,) int32, which block; an id is allocated once and released at most once.
        size: (N,) int64 bytes as requested (not rounded), above 0 where the block is allocated, the same below 0
            where it is released.
        phase: (N,) int16 index into `phases`: what the step was doing.
        op: (N,) int32 index into `ops`: what allocated or, for a release, what ran last.
        module: (N,) int32 index into `modules`: class of the innermost module, "" outside of any.
        step: (N,) int16, -1 while the model is built and moved to the card, then 0, 1, … by optimizer step.
        phases: `PHASES`.
        ops, modules: names.
        streams: (M, 2) int32 block, and the number of the stream that it was allocated in; of those in none but the
            first, 0.
    """

    block: np.ndarray
    size: np.ndarray
    phase: np.ndarray
    op: np.ndarray
    module: np.ndarray
    step: np.ndarray
    phases: tuple[str, ...]
    ops: tuple[str, ...]
    modules: tuple[str, ...]
    streams: np.ndarray = field(default_factory=lambda: np.empty((0, 2), dtype=np.int32))

    def __len__(self) -> int:
        return len(self.block)

    def live_bytes(self) -> np.ndarray:
        """(N,) int64 bytes that are allocated after each event, as requested: no rounding, no segments."""
        return np.cumsum(self.size)

    def save(self, path: Path) -> None:
        """Write a compressed .npz (names as arrays of strings, no pickle)."""
        with path.open("wb") as file:
            arrays: dict[str, Any] = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
            np.savez_compressed(file, **arrays)

    @staticmethod
    def load(path: Path) -> Events:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            numbers = ("block", "size", "phase", "op", "module", "step", "streams")
            found: dict[str, Any] = {name: stored[name] for name in numbers}
            for name in ("phases", "ops", "modules"):
                found[name] = tuple(str(value) for value in stored[name])
        return Events(**found)


PHASES = ("model", "batch", "forward", "backward", "clip", "optimizer", "ema", "zero_grad", VALIDATION, CHECKPOINT)


class NumberedNames:
    """Names by index, each kept once."""

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.index = {name: number for number, name in enumerate(names)}

    def __getitem__(self, name: str) -> int:
        return self.index.setdefault(name, len(self.index))

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(self.index)
