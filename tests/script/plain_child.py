"""The child of a pass that only counts: what stands around a script is tested without what looks at it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gonogo.script import child
from gonogo.script.facts import PassFacts
from gonogo.script.request import PassRequest


class PlainPass:
    def __init__(self, request: PassRequest, enough: Callable[[], Any]) -> None:
        self.request, self.enough, self.steps = request, enough, 0

    @contextlib.contextmanager
    def around(self) -> Any:
        from torch.optim import optimizer

        handle = optimizer.register_optimizer_step_post_hook(self._step)
        yield
        handle.remove()

    def _step(self, *_: object) -> None:
        self.steps += 1
        if self.steps >= self.request.steps:
            self.enough()

    def facts(self) -> PassFacts:
        return PassFacts(steps=self.steps)

    def save(self, folder: Path) -> None: ...


make = PlainPass

if __name__ == "__main__":
    child.PASSES = dict.fromkeys(child.PASSES, "tests.script.plain_child")
    child.main()
