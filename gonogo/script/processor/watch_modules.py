"""Calls of modules: which are the script's models, in which mode they run, what comes out, which are reached."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from gonogo.base.replaced import Replaced
from gonogo.script.processor.facts import ModeFacts
from gonogo.script.processor.names import Names, tensors_of
from gonogo.script.processor.session import Session
from gonogo.script.processor.weight_copies import CopyWatch

STEPS_TO_FOLLOW = 3  # after which an average of the weights is no longer what it was


@dataclass
class Call:
    """A call of a module from outside of any module."""

    module: nn.Module
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    loader: int | None
    mode: bool
    graph: bool
    where: str
    output: Any = None

    def tensors(self) -> list[tuple[str, Tensor]]:
        """Each tensor argument by its name in `forward`."""
        try:
            bound = inspect.signature(self.module.forward).bind(*self.arguments, **self.keywords).arguments
        except (TypeError, ValueError):
            bound = {str(index): value for index, value in enumerate(self.arguments)} | self.keywords
        found: list[tuple[str, Tensor]] = []
        for name, value in bound.items():
            spread = name in {"args", "kwargs", "inputs"} and isinstance(value, (tuple, dict))
            found += list(tensors_of(value, "" if spread else name))
        return found


@dataclass
class ModuleWatch:
    """Replaces `nn.Module.__call__` by one that looks."""

    session: Session
    names: Names
    modes: ModeFacts = field(default_factory=ModeFacts)
    called: set[int] = field(default_factory=set)  # modules that ran in a call with a graph
    roots: dict[int, nn.Module] = field(default_factory=dict)  # called from outside with a graph
    pending: list[Call] = field(default_factory=list)  # calls with a graph since the last backward pass
    last: dict[int, Call] = field(default_factory=dict)  # the last training call of each root
    outputs: list[tuple[nn.Module, Any]] = field(default_factory=list)  # of modules, since the last backward pass
    alone: str = ""  # a batch norm that sees one value a channel in a batch of one
    loader: int | None = None  # the one that was read last
    train_loader: int | None = None  # of the last training call
    train_loaders: set[int] = field(default_factory=set)  # a script may make a new one for each epoch
    held: set[int] = field(default_factory=set)  # parameters that an optimizer holds
    copies: CopyWatch = field(default_factory=CopyWatch)
    listeners: list[Callable[[Call], None]] = field(default_factory=list)  # before a call with a graph
    validated: Callable[[], None] = lambda: None
    _stack: int = 0
    _without_grad: int = 0
    _is_root: dict[int, bool] = field(default_factory=dict)

    def place(self, replaced: Replaced) -> None:
        plain = nn.Module.__call__
        watch = self

        def call(module: nn.Module, *arguments: Any, **keywords: Any) -> Any:
            session = watch.session
            if session.in_probe or session.in_backward:
                return plain(module, *arguments, **keywords)
            root = session.guard("modules", watch.begin, module, arguments, keywords) if not watch._stack else None
            watch._stack += 1
            try:
                output = plain(module, *arguments, **keywords)
            finally:
                watch._stack -= 1
            if torch.is_grad_enabled() and session.phase == "watch":
                watch.outputs.append((module, output))
                watch.called.add(id(module))
                if not watch.alone and isinstance(module, _BatchNorm) and module.training:
                    session.guard("batch norm", watch.batch_norm, module, arguments)
            if root is not None:
                root.output = output
            return output

        replaced.put(nn.Module, "__call__", call)

    def begin(self, module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Call | None:
        """A call from outside of any module, of one that has parameters."""
        if not self._has_parameters(module):
            return None
        graph = torch.is_grad_enabled()
        call = Call(module, arguments, keywords, self.loader, module.training, graph, self.session.where())
        if graph:
            if id(module) not in self.roots:
                self.roots[id(module)] = module
                self.copies.begun(module)
            self.names.of_module(module)
            self.pending.append(call)
            if len(self.pending) > 4096:
                del self.pending[:2048]
            for listener in self.listeners:
                self.session.guard(listener.__qualname__, listener, call)
        else:
            self._without(call)
        return call

    def _has_parameters(self, module: nn.Module) -> bool:
        known = self._is_root.get(id(module))
        if known is None:
            known = self._is_root[id(module)] = next(module.parameters(), None) is not None
        return known

    def is_held(self, module: nn.Module) -> bool:
        """Whether an optimizer holds any of it; where there is none, the script changes weights itself."""
        return not self.held or any(id(parameter) in self.held for parameter in module.parameters())

    def _without(self, call: Call) -> None:
        """A call without gradients: validation, sampling, or a training step by mistake."""
        self._without_grad += 1
        other = self._is_another(call.loader)
        held = self.is_held(call.module)
        if (not call.mode or other) and (held or self._is_copy(call.module)):
            self.modes.validation_calls += 1
            self.validated()
            self.modes.trained_validated |= held
            if (
                not held
                and self.session.steps >= STEPS_TO_FOLLOW
                and (stale := self.copies.is_as_begun(call.module)) is not None
            ):
                self.modes.copies_validated += 1
                self.modes.copy_as_begun = self.names.of_module(call.module) if stale else ""
        if not held:
            return
        layers = layers_that_mind(call.module)
        if call.mode and layers:
            if other:
                self.modes.validation_in_train_mode += 1
                self.modes.validation_layers = layers
                self.modes.validation_where = call.where
            else:
                self.modes.sampling_in_train_mode += 1

    def _is_copy(self, module: nn.Module) -> bool:
        """As a moving average of the weights is."""
        return any(type(root) is type(module) for root in self.roots.values())

    def batch_norm(self, module: nn.Module, arguments: tuple[Any, ...]) -> None:
        given = arguments[0]
        if given.ndim >= 2 and given.numel() == given.shape[0] * given.shape[1]:
            self.alone = self.name_within(module)

    def name_within(self, module: nn.Module) -> str:
        """`model.net.1`, from the root that contains it."""
        for root in self.roots.values():
            for name, inner in root.named_modules():
                if inner is module:
                    return f"{self.names.prefix(root)}{name}".strip(".") or type(module).__name__
        return type(module).__name__

    def backward(self) -> None:
        """A backward pass begins: what was called since the last one took part in it, or was not for training."""
        trained = self.pending[-1] if self.pending else None
        for call in self.pending:
            if trained is not None and (call.loader == trained.loader or not self.is_held(call.module)):
                self._trained(call)
            else:
                self.graph_for_nothing(call)
        self.pending.clear()
        self._without_grad = 0

    def _trained(self, call: Call) -> None:
        if not self.is_held(call.module):
            return
        self.last[id(call.module)] = call
        self.modes.training_calls += 1
        layers = layers_that_mind(call.module)
        if not call.mode and layers:
            self.modes.training_calls_in_eval += 1
            self.modes.layers_that_mind = layers
            self.modes.eval_since_validation = self.modes.training_calls_in_eval < self.modes.training_calls
        if call.loader is not None:
            self.train_loader = call.loader
            self.train_loaders.add(call.loader)

    def _is_another(self, loader: int | None) -> bool:
        """Whether no training call has had a batch of it, though of another one."""
        return loader is not None and bool(self.train_loaders) and loader not in self.train_loaders

    def graph_for_nothing(self, call: Call) -> None:
        if self.is_held(call.module) and self._is_another(call.loader):
            self.modes.graphs_for_nothing += 1
            self.modes.graphs_where = call.where
            self.modes.validation_calls += 1
            self.validated()
            layers = layers_that_mind(call.module)
            if call.mode and layers:
                self.modes.validation_in_train_mode += 1
                self.modes.validation_layers, self.modes.validation_where = layers, call.where

    def no_graph(self, where: str) -> None:
        """`backward` was called on a loss that has no graph."""
        self.modes.backward_without_graph = where
        self.modes.called_without_grad = self._without_grad


def layers_that_mind(module: nn.Module) -> list[str]:
    """Kinds of layer that do something else in training: batch norm with running averages, dropout that drops."""
    found: dict[str, None] = {}
    for inner in module.modules():
        if isinstance(inner, _BatchNorm) and inner.track_running_stats:
            found[type(inner).__name__] = None
        elif (isinstance(inner, _DropoutNd) and inner.p > 0) or getattr(inner, "dropout", 0.0) in _DROPS:
            found["Dropout"] = None
    return list(found)


class _Drops:
    """Contains any share above zero: what RNNs and attention keep as their dropout."""

    def __contains__(self, value: object) -> bool:
        return isinstance(value, float) and 0 < value < 1


_DROPS = _Drops()
