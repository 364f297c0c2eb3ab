"""What the script calls its modules, parameters, loaders and graphs: names that a reader finds in the code."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping
from types import FrameType
from typing import Any

from torch import Tensor, nn

from gonogo.script.processor.session import Session

MOST_ITEMS = 10_000  # of a list that is looked through


def variable(value: Any, frames: Iterable[FrameType]) -> str:
    """The name by which the script's running code knows an object: `model`, `self.net`; empty: by none."""
    for frame in frames:
        for name, held in frame.f_locals.items():
            if held is value and name != "self":
                return name
        for name, held in frame.f_locals.items():
            for inner, there in _attributes(held):
                if there is value:
                    return f"{name}.{inner}"
        for name, held in frame.f_globals.items():
            if held is value:
                return name
    return ""


def _attributes(held: Any) -> Iterator[tuple[str, Any]]:
    try:
        known = vars(held)
    except TypeError:
        return
    yield from list(known.items()) if type(held).__module__ != "builtins" else ()
    if isinstance(held, nn.Module):
        yield from held._modules.items()


class Names:
    """Modules and their parameters, by the names that they have from the outermost module on."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._parents: dict[int, tuple[weakref.ref[nn.Module], weakref.ref[nn.Module]]] = {}
        self._named: dict[int, tuple[nn.Module, str]] = {}

    def registered(self, parent: nn.Module, name: str, child: nn.Module | None) -> None:
        """A global registration hook of torch: remembers whose child a module is."""
        if child is not None:
            self._parents[id(child)] = (weakref.ref(child), weakref.ref(parent))

    def outermost(self, module: nn.Module) -> nn.Module:
        seen = {id(module)}
        while True:
            known = self._parents.get(id(module))
            parent = known[1]() if known is not None and known[0]() is module else None
            if parent is None or id(parent) in seen or not any(child is module for child in parent.children()):
                return module
            seen.add(id(parent))
            module = parent

    def of_module(self, module: nn.Module) -> str:
        """`model`, as the script's variable is called; else its class."""
        known = self._named.get(id(module))
        if known is None:
            name = variable(module, self._session.frames())
            known = self._named[id(module)] = (module, name or type(module).__name__)
        return known[1]

    def prefix(self, module: nn.Module) -> str:
        """What stands before the names of its parameters."""
        name = self.of_module(module)
        return "" if name.startswith("self") and "." not in name else f"{name}."


def holder_of_graph(frames: Iterable[FrameType], modules: Mapping[str, nn.Module]) -> str:
    """The variable that holds a tensor with a graph, or a list of such: `total_loss`, `self.losses`."""
    lists: list[str] = []
    single: list[str] = []
    for name, held in [*modules.items(), *(item for frame in frames for item in frame.f_locals.items())]:
        found = _holds(name, held)
        inner = [_holds(f"{name}.{key}", there) for key, there in _attributes(held)] if not found else []
        for what in (found, *inner):
            if what is not None:
                (lists if what[1] else single).append(what[0])
    return (lists or single or [""])[0]


def _holds(name: str, held: Any) -> tuple[str, bool] | None:
    if isinstance(held, Tensor):
        return (name, False) if held.grad_fn is not None and held.ndim == 0 else None
    items = list(held.values())[:MOST_ITEMS] if isinstance(held, dict) else held
    if not isinstance(items, (list, tuple)) or len(items) < 3:
        return None
    tensors = [item for item in items[:MOST_ITEMS] if isinstance(item, Tensor) and item.grad_fn is not None]
    return (name, True) if len(tensors) >= 3 else None


def tensors_of(value: Any, name: str = "", depth: int = 3) -> Iterator[tuple[str, Tensor]]:
    """Tensors within arguments: dicts, lists and tuples are looked into."""
    if isinstance(value, Tensor):
        yield name, value
    elif depth and isinstance(value, dict):
        for key, inner in value.items():
            yield from tensors_of(inner, f"{name}.{key}" if name else str(key), depth - 1)
    elif depth and isinstance(value, (list, tuple)):
        for index, inner in enumerate(value[:64]):
            yield from tensors_of(inner, f"{name}[{index}]" if name else str(index), depth - 1)
    elif depth and hasattr(value, "items") and hasattr(value, "keys"):
        yield from tensors_of(dict(value.items()), name, depth)
