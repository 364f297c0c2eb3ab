"""Estimates side by side: what a search will ask for is begun in further processes before it asks."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, TypeAlias

from gonogo.base.cores import available_cores
from gonogo.config.experiment import Training
from gonogo.memory.estimate import MemoryEstimate
from gonogo.memory.plan_search import Options

Compute: TypeAlias = Callable[[Training, Options, bool], MemoryEstimate]

MOST = 3  # further processes, of 0.6 GB each


def free_cores() -> int:
    """How many further processes this machine has a core for."""
    return min(MOST, available_cores() - 1)


class TraceLanes:
    """Forks its processes at once: torch refuses a fork once a backward pass has run on a GPU.

    Args:
        compute: (training, options, without checkpointing) → estimate.
        count: further processes; 0: all is computed here, when it is asked for.

    Attributes:
        begun: what was begun and not yet asked for.
    """

    def __init__(self, compute: Compute, count: int) -> None:
        self._compute = compute
        self.begun: dict[str, Future[MemoryEstimate]] = {}
        self._free: SimpleQueue[Connection] = SimpleQueue()
        self._threads = ThreadPoolExecutor(max(count, 1))
        self._count = count
        for _ in range(count):
            here, there = multiprocessing.Pipe()
            process = multiprocessing.get_context("fork").Process(
                target=_serve, args=(compute, there, here), daemon=True
            )
            process.start()
            there.close()
            self._free.put(here)

    def begin(self, training: Training, options: Options, plain: bool = False) -> None:
        """Say that this will be asked for."""
        name = _name(training, options, plain)
        if self._count and name not in self.begun:
            self.begun[name] = self._threads.submit(self._elsewhere, training, options, plain)

    def result(self, training: Training, options: Options, plain: bool = False) -> MemoryEstimate:
        """The estimate: from where it was begun, or computed here if nobody has got to it yet."""
        future = self.begun.pop(_name(training, options, plain), None)
        if future is None or future.cancel():
            return self._compute(training, options, plain)
        try:
            return future.result()
        except (EOFError, OSError):  # that process died: of memory, perhaps
            return self._compute(training, options, plain)

    def _elsewhere(self, *job: Any) -> MemoryEstimate:
        lane = self._free.get()
        try:
            lane.send(job)
            found: MemoryEstimate = lane.recv()
        finally:
            self._free.put(lane)
        return found


def _serve(compute: Compute, jobs: Connection, parents: Connection) -> None:
    """One estimate after another, until the process that asks is gone."""
    parents.close()  # else the pipe never ends
    while True:
        try:
            job = jobs.recv()
            jobs.send(compute(*job))
        except (EOFError, OSError):
            os._exit(0)


def _name(training: Training, options: Options, plain: bool) -> str:
    return f"{training.model_dump_json()} {dict(options)} {plain}"
