"""Optimizer steps: gradients that arrive, parameters that nobody holds, weights that do not move."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from gonogo.base.replaced import Replaced
from gonogo.script.processor.facts import NotLearning, OptimizerFacts, ParameterFacts, SchedulerFacts
from gonogo.script.processor.names import Names
from gonogo.script.processor.session import Session
from gonogo.script.processor.watch_modules import ModuleWatch
from gonogo.script.processor.weight_sample import WeightSample

ADAMS = ("Adam", "AdamW")  # whose steps are as long as the learning rate says
FIRST_STEPS = 3
LOOKED_AT = 5  # steps at which gradients are sought in parameters that no optimizer holds


@dataclass
class Seen:
    """One optimizer, between two of its steps."""

    optimizer: Optimizer
    facts: OptimizerFacts
    backwards: int = 0
    all_backwards: int = 0
    cleared: bool = True
    zeroed_at: int = -1
    zeroed_where: str = ""
    backward_at: int = -1
    probe: Tensor | None = None  # a parameter that had a gradient at the last step
    before: WeightSample = field(default_factory=WeightSample)


@dataclass
class StepWatch:
    session: Session
    names: Names
    modules: ModuleWatch
    bad_gradient: Callable[[list[tuple[str, nn.Parameter]]], None]
    stepped: Callable[[], None]  # an optimizer step is done
    seen: dict[int, Seen] = field(default_factory=dict)
    step_times: list[float] = field(default_factory=list)
    schedulers: dict[int, SchedulerFacts] = field(default_factory=dict)
    _norms: dict[int, list[float]] = field(default_factory=dict)
    _parameters: dict[int, Tensor] = field(default_factory=dict)
    _unheld: set[int] = field(default_factory=set)
    _forward_at: int = -1

    def place(self, replaced: Replaced) -> None:
        session, watch = self.session, self
        replaced.callback(
            register_optimizer_step_pre_hook(lambda o, a, k: self._hook("weights", self.before, o)).remove
        )
        replaced.callback(register_optimizer_step_post_hook(lambda o, a, k: self._hook("steps", self.after, o)).remove)
        plain_init, plain_zero, plain_module_zero = Optimizer.__init__, Optimizer.zero_grad, nn.Module.zero_grad

        def made(optimizer: Optimizer, *arguments: Any, **keywords: Any) -> None:
            plain_init(optimizer, *arguments, **keywords)
            session.guard("optimizers", watch.of, optimizer)

        def zeroed(optimizer: Optimizer, *arguments: Any, **keywords: Any) -> None:
            plain_zero(optimizer, *arguments, **keywords)
            session.guard("zero_grad", watch.zeroed, [optimizer])

        def module_zeroed(module: nn.Module, *arguments: Any, **keywords: Any) -> None:
            plain_module_zero(module, *arguments, **keywords)
            session.guard("zero_grad", watch.zeroed, [one.optimizer for one in watch.seen.values()])

        replaced.put(Optimizer, "__init__", made)
        replaced.put(Optimizer, "zero_grad", zeroed)
        replaced.put(nn.Module, "zero_grad", module_zeroed)
        for kind in (LRScheduler, ReduceLROnPlateau):
            replaced.put(kind, "step", self._scheduler_step(kind.step))

    def _hook(self, watcher: str, look: Callable[[Optimizer], None], optimizer: Optimizer) -> None:
        if not self.session.in_probe:
            self.session.guard(watcher, look, optimizer)

    def of(self, optimizer: Optimizer) -> Seen:
        if id(optimizer) not in self.seen:
            facts = OptimizerFacts(name=type(optimizer).__name__, where=self.session.where())
            self.seen[id(optimizer)] = Seen(optimizer, facts)
        self.modules.held.update(map(id, _parameters(optimizer)))
        return self.seen[id(optimizer)]

    def forward(self) -> None:
        self._forward_at = self.session.tick()

    def zeroed(self, optimizers: list[Optimizer]) -> None:
        where = self.session.where()
        for optimizer in optimizers:
            one = self.of(optimizer)
            one.cleared, one.zeroed_at, one.zeroed_where = True, self.session.tick(), where

    def backward_begins(self) -> None:
        """Gradients that are gone, however the script cleared them, count as cleared."""
        now = self.session.tick()
        for one in self.seen.values():
            if not one.cleared and one.probe is not None and not _flows(one.probe.grad):
                one.cleared = True
            one.backwards += 1
            one.all_backwards += 1
            one.backward_at = now

    def before(self, optimizer: Optimizer) -> None:
        if self.session.phase == "reach":
            return
        one = self.of(optimizer)
        facts = one.facts
        facts.where = facts.where if facts.steps else self.session.where()
        facts.learning_rates.append(_largest(optimizer, "lr"))
        facts.weight_decay = _largest(optimizer, "weight_decay")
        one.before = WeightSample.of(optimizer)

    def _gradients(self, one: Seen) -> None:
        """Those that this step used: a closure makes them within it."""
        held, facts = _parameters(one.optimizer), one.facts
        norm = self._take_norms([p for p in held if p.grad is not None])
        if facts.steps < LOOKED_AT and self.session.phase == "watch":
            self._find_unheld()
        facts.norms.append(norm if norm is None or math.isfinite(norm) else None)
        self._windows(one, norm)
        if norm is not None and not math.isfinite(norm):
            self.bad_gradient(self.named(held))

    def _find_unheld(self) -> None:
        """Parameters with a gradient that are in no optimizer."""
        for part in self.parts():
            for parameter in part.parameters():
                if id(parameter) not in self.modules.held and _flows(parameter.grad):
                    self._unheld.add(id(parameter))

    def _take_norms(self, parameters: list[Tensor]) -> float | None:
        gradients = [p.grad.detach() for p in parameters if p.grad is not None and not p.grad.is_sparse]
        if not gradients:
            return None
        norms = [float(norm) for norm in torch.stack([n.float() for n in torch._foreach_norm(gradients)])]
        if self.session.phase == "watch":
            dense = [p for p in parameters if p.grad is not None and not p.grad.is_sparse]
            for parameter, norm in zip(dense, norms, strict=True):
                self._norms.setdefault(id(parameter), []).append(norm)
                self._parameters[id(parameter)] = parameter
        return math.sqrt(sum(norm * norm for norm in norms))

    def without_optimizer(self) -> None:
        """A backward pass of a script that changes its weights itself."""
        parameters = [p for part in self.parts() for p in part.parameters()]
        self._take_norms([p for p in parameters if p.grad is not None])

    def _windows(self, one: Seen, norm: float | None) -> None:
        """What happened to gradients between the last step and this one."""
        facts = one.facts
        if not norm:
            facts.without_gradients += 1
            if one.backwards and one.zeroed_at > one.backward_at:
                trained = self._forward_at < one.backward_at  # forward, backward, zero_grad, step
                facts.zeroed_before_step += trained
                facts.step_before_backward += not trained
                facts.zero_where = one.zeroed_where
            elif not one.backwards and self._forward_at > one.backward_at:
                facts.step_before_backward += 1
        elif one.backwards and facts.steps:
            facts.windows += 1
            facts.stale_windows += not one.cleared
        one.probe = next((p for p in _parameters(one.optimizer) if _flows(p.grad)), one.probe)

    def after(self, optimizer: Optimizer) -> None:
        one = self.of(optimizer)
        if self.session.phase != "reach":
            self.session.guard("gradients", self._gradients, one)
            one.facts.changes.append(self.session.guard("weights", one.before.change) or 0.0)
            move = self.session.guard("weights", one.before.move) if one.facts.name in ADAMS else None
            one.facts.moves += [] if move is None else [move]
            one.before = WeightSample()
        one.facts.steps += 1
        one.facts.backwards_per_step = one.all_backwards / one.facts.steps
        one.backwards, one.cleared = 0, False
        if one is self._leader():
            self.step_times.append(time.monotonic())
            self.session.steps += 1
            self.stepped()

    def _leader(self) -> Seen:
        """The optimizer that steps most often: its steps are counted."""
        return max(self.seen.values(), key=lambda one: one.facts.steps)

    def named(self, parameters: list[Tensor]) -> list[tuple[str, nn.Parameter]]:
        wanted = {id(parameter) for parameter in parameters}
        found: list[tuple[str, nn.Parameter]] = []
        for part in self.parts():
            prefix = self.names.prefix(part)
            found += [(f"{prefix}{n}", p) for n, p in part.named_parameters() if id(p) in wanted]
        return found

    def parts(self) -> list[nn.Module]:
        """The outermost modules of what was called in training steps."""
        return list({id(m): m for m in map(self.names.outermost, self.modules.roots.values())}.values())

    def _scheduler_step(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        session, watch = self.session, self

        def step(scheduler: Any, *arguments: Any, **keywords: Any) -> Any:
            session.guard("schedulers", watch.scheduled, scheduler)
            return plain(scheduler, *arguments, **keywords)

        step.__wrapped__ = plain  # type: ignore[attr-defined]
        return step

    def scheduled(self, scheduler: Any) -> None:
        if not hasattr(scheduler, "last_epoch") or scheduler.last_epoch < 0:
            return
        known = self.schedulers.setdefault(id(scheduler), SchedulerFacts(name=type(scheduler).__name__))
        known.steps += 1
        known.where = known.where or self.session.where()
        known.before_first_optimizer_step += self.session.steps == 0

    def parameter_facts(self) -> ParameterFacts:
        facts, called, held = ParameterFacts(), self.modules.called, self.modules.held
        owners: dict[str, list[float]] = {}
        first: dict[str, list[float]] = {}
        seen: set[int] = set()
        holders = Counter(id(p) for one in self.seen.values() if one.facts.steps for p in _parameters(one.optimizer))
        for part in self.parts():
            name, prefix = self.names.of_module(part), self.names.prefix(part)
            mine = [p for p in part.parameters() if p.requires_grad]
            if mine and held and not any(id(p) in held for p in mine):
                facts.parts_unheld.append(name)
            elif any(holders[id(p)] > 1 for p in mine):
                facts.twice_held = name
            for path, module in part.named_modules():
                for own, parameter in module.named_parameters(recurse=False):
                    if id(parameter) in seen:
                        continue
                    seen.add(id(parameter))
                    facts.total += 1
                    facts.values += parameter.numel()
                    owner = f"{prefix}{path}".strip(".") or name
                    norms = self._norms.get(id(parameter), [])
                    if norms:
                        owners.setdefault(owner, []).append(median(norms))
                        first.setdefault(owner, []).append(median(norms[:FIRST_STEPS]))
                    missing = NotLearning(
                        name=f"{owner}.{own}", module=owner, values=parameter.numel(), part=name,
                        called=id(module) in called or any(id(inner) in called for inner in module.modules()),
                        zero=bool(norms),
                    )  # fmt: skip
                    if not parameter.requires_grad:
                        facts.frozen_held += [missing] * (id(parameter) in held)
                    elif held and id(parameter) not in held:
                        reached = id(parameter) in self._unheld
                        facts.unheld += [missing] * reached
                        facts.unreached += [missing] * (not reached and missing.called and bool(self._norms))
                    elif not any(norms):
                        facts.unreached.append(missing)
        facts.modules = len({*owners, *(m.module for m in [*facts.unreached, *facts.unheld])})
        facts.gradient_norms = {name: math.sqrt(sum(n * n for n in norms)) for name, norms in owners.items()}
        facts.first_gradient_norms = {name: math.sqrt(sum(n * n for n in norms)) for name, norms in first.items()}
        return facts


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _largest(optimizer: Optimizer, key: str) -> float:
    """Of its groups; 0 where none has it."""
    return max((float(group.get(key) or 0) for group in optimizer.param_groups), default=0.0)


def _flows(gradient: Tensor | None) -> bool:
    if gradient is None:
        return False
    values = gradient._values() if gradient.is_sparse else gradient
    return bool((values != 0).any())
