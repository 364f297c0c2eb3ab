"""Called when a module has been imported: libraries that a script may not use are not loaded for it."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from gonogo.base.replaced import Replaced

Change = Callable[[ModuleType], None]


def when_imported(held: Replaced, changes: Mapping[str, Change]) -> None:
    """Call each change with its module: at once where it is loaded, and otherwise once it has run."""
    finder = _Finder(changes)
    sys.meta_path.insert(0, finder)
    held.callback(sys.meta_path.remove, finder)
    for name, change in changes.items():
        if name in sys.modules:
            change(sys.modules[name])


class _Finder(importlib.abc.MetaPathFinder):
    """Lets the others find a module."""

    def __init__(self, changes: Mapping[str, Change]) -> None:
        self.changes = changes

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        if name not in self.changes:
            return None
        at = sys.meta_path.index(self)
        for finder in sys.meta_path[at + 1 :]:
            spec = finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
                spec.loader = _Loader(spec.loader, self.changes[name])
                return spec
        return None


class _Loader(importlib.abc.Loader):
    def __init__(self, inner: Any, change: Change) -> None:
        self.inner, self.change = inner, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.inner.exec_module(module)
        self.change(module)
