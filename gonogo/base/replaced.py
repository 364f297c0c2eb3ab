"""Attributes of modules, classes and objects that are something else for a while."""

from __future__ import annotations

import contextlib
import sys
from typing import Any


class Replaced(contextlib.ExitStack):
    """Leaving the block takes each replacement back, last first; one that is never left keeps them."""

    def set(self, owner: Any, name: str, value: Any) -> Any:
        """Put `value` there; returns what was there."""
        before = getattr(owner, name)
        raw = vars(owner).get(name, before)  # of a class: without binding
        setattr(owner, name, value)
        self.callback(setattr, owner, name, raw)
        return before

    def put(self, owner: Any, name: str, value: Any) -> None:
        """`set`, where there is such an attribute: libraries differ from version to version."""
        if hasattr(owner, name):
            self.set(owner, name, value)

    def everywhere(self, package: str, name: str, value: Any) -> None:
        """In each loaded module below `package` that holds the same function under this name."""
        modules = [
            module for key, module in list(sys.modules.items()) if key == package or key.startswith(f"{package}.")
        ]
        before = next((getattr(module, name) for module in modules if hasattr(module, name)), value)
        for module in modules:
            if vars(module).get(name) is before:
                self.set(module, name, value)
