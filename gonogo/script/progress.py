"""How many optimizer steps a pass has reached: counted in the child, read by the parent while it runs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

EVERY_S = 0.5
NAME = "steps"


class StepCount:
    """Counts the steps of every optimizer, and writes the count to a file, at most twice a second."""

    def __init__(self, folder: Path) -> None:
        self.steps = 0
        self._file = folder / NAME
        self._written = 0.0

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """In place while the script runs."""
        from torch.optim import optimizer

        handle = optimizer.register_optimizer_step_post_hook(self._step)
        try:
            yield
        finally:
            handle.remove()

    def _step(self, *_: object) -> None:
        self.steps += 1
        if time.monotonic() - self._written > EVERY_S:
            self._written = time.monotonic()
            self._file.write_text(str(self.steps))


def steps_reached(folder: Path) -> int:
    """Of the pass whose folder this is; 0: none yet."""
    try:
        return int((folder / NAME).read_text() or 0)
    except (OSError, ValueError):
        return 0
