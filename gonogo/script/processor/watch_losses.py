"""Backward passes: the losses they start from, NaN with the place where it began, graphs that are never let go."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gonogo.base.replaced import Replaced
from gonogo.script.processor.facts import KeptGraph, LossSeries, NotFinite
from gonogo.script.processor.names import holder_of_graph, tensors_of
from gonogo.script.processor.session import Session
from gonogo.script.processor.watch_modules import ModuleWatch

MARKED_NODES = 4


class Mark:
    """Lives as long as the node of a graph that keeps it."""


@dataclass
class LossWatch:
    """Replaces `torch.autograd.backward` by one that looks at what it starts from."""

    session: Session
    modules: ModuleWatch
    series: dict[str, LossSeries] = field(default_factory=dict)
    memorised: list[float | None] = field(default_factory=list)
    not_finite: NotFinite | None = None
    batch: Callable[[], str] = str  # which batch of which loader
    before: list[Callable[[], None]] = field(default_factory=list)
    after: list[Callable[[], None]] = field(default_factory=list)
    kept: KeptGraph = field(default_factory=KeptGraph)
    _marks: list[weakref.ref[Mark]] = field(default_factory=list)

    def place(self, replaced: Replaced) -> None:
        plain = torch.autograd.backward
        watch, session = self, self.session

        def backward(tensors: Any, *arguments: Any, **keywords: Any) -> None:
            if session.in_backward or session.in_probe:
                return plain(tensors, *arguments, **keywords)
            for look in watch.before:
                session.guard(look.__qualname__, look)
            roots = [tensors] if isinstance(tensors, Tensor) else list(tensors)
            session.guard("losses", watch.begin, roots)
            session.in_backward = True
            try:
                plain(tensors, *arguments, **keywords)
            finally:
                session.in_backward = False
            for look in watch.after:
                session.guard(look.__qualname__, look)
            return None

        replaced.put(torch.autograd, "backward", backward)

    def begin(self, roots: list[Tensor]) -> None:
        root = next((tensor for tensor in roots if isinstance(tensor, Tensor) and tensor.numel() == 1), None)
        where = self.session.where()
        if root is None:
            self.modules.backward()
            self.modules.outputs.clear()
            return
        if root.grad_fn is None and not root.requires_grad:
            self.modules.no_graph(where)
            return
        value = float(root.detach())
        self._record(value, where)
        if not math.isfinite(value) and self.not_finite is None:
            self.not_finite = self._began(root, where, value)
        self.modules.backward()
        self.modules.outputs.clear()
        if self.session.watching:
            self._mark(root)

    def _record(self, value: float, where: str) -> None:
        shown = value if math.isfinite(value) else None
        if self.session.phase == "memorise":
            self.memorised.append(shown)
        elif self.session.phase == "watch":
            series = self.series.setdefault(where, LossSeries(where=where))
            series.steps.append(self.session.steps)
            series.values.append(shown)

    def _began(self, root: Tensor, where: str, value: float) -> NotFinite:
        """The first of what went into this loss that is not finite: input, parameter, module, or the loss itself."""
        found = NotFinite(
            what="loss", where=where, step=self.session.steps, kind=_kind(root.detach()), batch=self.batch()
        )
        for call in self.modules.pending:
            for name, tensor in call.tensors():
                if _bad(tensor):
                    return found.model_copy(update={"what": "input", "name": name, "kind": _kind(tensor)})
        for module in self.modules.roots.values():
            for name, parameter in module.named_parameters():
                if _bad(parameter.detach()):
                    full = f"{self.modules.names.prefix(module)}{name}"
                    return found.model_copy(update={"what": "parameter", "name": full, "kind": _kind(parameter)})
        for inner, output in self.modules.outputs:
            for _, tensor in tensors_of(output):
                if _bad(tensor.detach()):
                    name = self.modules.name_within(inner)
                    return found.model_copy(update={"what": "module", "name": name, "kind": _kind(tensor)})
        return found

    def _mark(self, root: Tensor) -> None:
        """A mark that lives as long as this graph's last nodes do: one that outlives its step is kept by something.

        Nodes below the root are marked as well, as frameworks divide or copy the loss that the script keeps.
        """
        mark, node = Mark(), root.grad_fn
        for _ in range(MARKED_NODES):
            if node is None or "AccumulateGrad" in node.name():
                break
            kept: Any = node.metadata
            kept["gonogo"] = mark
            node = next((below for below, _ in node.next_functions if below is not None), None)
        self._marks.append(weakref.ref(mark))

    def count_graphs(self) -> None:
        """Called when a step is done: graphs of earlier steps that are still there."""
        alive = sum(mark() is not None for mark in self._marks)
        self.kept = KeptGraph(alive=alive, steps=len(self._marks), holder=self.kept.holder)
        if alive >= 4 and not self.kept.holder:
            names = self.modules.names
            parts = {names.of_module(part): part for part in map(names.outermost, self.modules.roots.values())}
            self.kept.holder = holder_of_graph(self.session.frames(), parts)

    def bad_gradient(self, named: list[tuple[str, nn.Parameter]]) -> None:
        """Called before a step in which a gradient is NaN or infinite, though the loss was finite."""
        if self.not_finite is not None:
            return
        bad = [(name, p.grad) for name, p in named if p.grad is not None and _bad(p.grad)]
        if bad:  # else it is their norm that is beyond the largest float
            self.not_finite = NotFinite(
                what="gradient", name=bad[-1][0], where=self.session.where(), step=self.session.steps,
                kind=_kind(bad[-1][1]), batch=self.batch(),
            )  # fmt: skip


def _bad(tensor: Tensor) -> bool:
    return (tensor.is_floating_point() or tensor.is_complex()) and not bool(torch.isfinite(tensor).all())


def _kind(tensor: Tensor) -> str:
    return "NaN" if bool(torch.isnan(tensor).any()) else "infinity"
