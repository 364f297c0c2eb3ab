"""Attributes of libraries, replaced while a script runs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any


class Replaced:
    """Each replacement is taken back, last first, when the script has ended."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()

    def set(self, owner: Any, name: str, value: Any) -> Any:
        """Put `value` there; returns what was there."""
        before = getattr(owner, name)
        raw = vars(owner).get(name, before)  # of a class: without binding
        setattr(owner, name, value)
        self._stack.callback(setattr, owner, name, raw)
        return before

    def everywhere(self, package: str, name: str, value: Any) -> None:
        """In each loaded module below `package` that holds the same function under this name."""
        modules = [
            module for key, module in list(sys.modules.items()) if key == package or key.startswith(f"{package}.")
        ]
        before = next((getattr(module, name) for module in modules if hasattr(module, name)), value)
        for module in modules:
            if vars(module).get(name) is before:
                self.set(module, name, value)

    def later(self, undo: Callable[[], object]) -> None:
        """Call it when the script has ended."""
        self._stack.callback(undo)

    def undo(self) -> None:
        self._stack.close()


@contextlib.contextmanager
def replaced() -> Iterator[Replaced]:
    """Replacements for the length of the block."""
    held = Replaced()
    try:
        yield held
    finally:
        held.undo()
