"""What a run's steps are given and what they change: batches that repeat, gradients that are never zeroed, weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from gonogo.learning.batches import leaves
from gonogo.learning.features import content_hash
from gonogo.learning.optimizer_facts import OptimizerFacts

COMPARED = 8  # batches whose inputs are compared
PROBES = 3  # parameters whose gradients are followed
WINDOWS = 12  # optimizer steps for which they are
SAMPLE, SAMPLED_VALUES = 12, 1 << 14  # parameters whose change is measured, and values of each
SAME = 1e-3


class FirstInputs:
    """Digests of what the model's layers are given before anything was computed with parameters."""

    def __init__(self, module: nn.Module) -> None:
        self.digests: list[bytes] = []
        self._seen: dict[str, bytes] = {}
        self._in_batch = False
        self._sizes: set[int] = set()
        own = [(name, part) for name, part in module.named_modules() if any(True for _ in part.parameters(False))]
        self._hooks = [part.register_forward_pre_hook(self._look(name)) for name, part in own]

    def _look(self, name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def look(_: nn.Module, given: tuple[Any, ...]) -> None:
            if not self._in_batch or name in self._seen:
                return
            raw = [leaf for leaf in leaves(given) if leaf.grad_fn is None and not leaf.requires_grad and leaf.numel()]
            raw = [leaf for leaf in raw if leaf.ndim and len(leaf) in self._sizes and _varies(leaf)]
            if raw:
                self._seen[name] = content_hash(*(leaf.detach().reshape(-1)[:SAMPLED_VALUES].cpu() for leaf in raw))

        return look

    def batch_begins(self, batch: Any) -> None:
        """From here to its end inputs are seen, of those that have its length: positions have another."""
        self._seen, self._in_batch = {}, True
        self._sizes = {len(leaf) for leaf in leaves(batch) if leaf.ndim}

    def batch_ends(self) -> None:
        """Takes what was seen of it; after COMPARED of them it looks no more."""
        self._in_batch = False
        if self._seen and len(self.digests) < COMPARED:
            self.digests.append(b"".join(self._seen[name] for name in sorted(self._seen)))
        if len(self.digests) >= COMPARED:
            self.end()

    def end(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []


class FreshGradients:
    """Whether the gradients of a few parameters begin from nothing after each optimizer step."""

    def __init__(self, module: nn.Module) -> None:
        self.windows = self.stale = 0
        self._first: dict[int, bool] = {}  # parameter → whether its first gradient since the step was all there was
        self._given: dict[int, Tensor] = {}
        mine = [parameter for parameter in module.parameters() if parameter.requires_grad and parameter.is_leaf]
        probes = mine[:: max(1, len(mine) // PROBES)][:PROBES]
        self._hooks = [
            hook
            for probe in probes
            for hook in (
                probe.register_hook(self._keep(id(probe))),
                probe.register_post_accumulate_grad_hook(self._compare),
            )
        ]

    def _keep(self, key: int) -> Callable[[Tensor], None]:
        def keep(gradient: Tensor) -> None:
            if key not in self._first:
                self._given[key] = gradient.detach().clone()

        return keep

    def _compare(self, parameter: Tensor) -> None:
        given = self._given.pop(id(parameter), None)
        if given is None or parameter.grad is None or parameter.grad.is_sparse:
            return
        size = float(given.norm())
        if size and math.isfinite(size):
            self._first[id(parameter)] = float((parameter.grad - given).norm()) > SAME * size

    def stepped(self) -> None:
        """An optimizer step is about to be done."""
        if self._first:
            self.windows += 1
            self.stale += all(self._first.values())
        self._first.clear()
        if self.windows >= WINDOWS:
            self.end()

    def end(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []


@dataclass
class RunWatch:
    """Call its methods where they say; `facts` gives what was seen, also while the run goes on."""

    module: nn.Module
    optimizers: Sequence[Optimizer]
    rates: list[list[float]] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        held = [p for one in self.optimizers for group in one.param_groups for p in group["params"] if p.requires_grad]
        self._sample = held[:: max(1, len(held) // SAMPLE)][:SAMPLE]
        self._start = self._last = self._weights()
        self._steps = self._last_step = 0
        self.rates = [[] for _ in self.optimizers]
        self.inputs = FirstInputs(self.module)
        self.fresh = FreshGradients(self.module) if len(self.optimizers) == 1 else None

    def before_step(self, optimizer: Optimizer) -> None:
        """Gradients are there, and not clipped yet."""
        if optimizer is self.optimizers[0]:
            self._steps += 1
            if self.fresh is not None:
                self.fresh.stepped()
        for rates, one in zip(self.rates, self.optimizers, strict=True):
            if one is optimizer:
                rates.append(_largest(one, "lr"))

    def looked(self) -> None:
        """Now and then: by how much the weights changed since the last time."""
        if self._steps > self._last_step:
            now = self._weights()
            moved, size = _distance(now, self._last), _distance(self._last)
            self.changes.append((moved / size if size else math.inf) / (self._steps - self._last_step))
            self._last, self._last_step = now, self._steps

    def weights_left(self) -> float | None:
        start = _distance(self._start)
        return _distance(self._weights()) / start if start and self._steps else None

    def facts(self) -> list[OptimizerFacts]:
        windows, stale = (self.fresh.windows, self.fresh.stale) if self.fresh else (0, 0)
        return [
            OptimizerFacts(
                name=type(optimizer).__name__, steps=len(rates), learning_rates=rates, windows=windows,
                stale_windows=stale, changes=[c for c in self.changes if math.isfinite(c)],
                weight_decay=_largest(optimizer, "weight_decay"),
            )
            for optimizer, rates in zip(self.optimizers, self.rates, strict=True)
        ]  # fmt: skip

    def end(self) -> None:
        self.inputs.end()
        if self.fresh is not None:
            self.fresh.end()

    def _weights(self) -> list[Tensor]:
        return [parameter.detach().reshape(-1)[:SAMPLED_VALUES].double().cpu().clone() for parameter in self._sample]


def _varies(values: Tensor) -> bool:
    return bool((values != values.reshape(-1)[0]).any())


def _distance(one: Sequence[Tensor], other: Sequence[Tensor] | None = None) -> float:
    pairs = zip(one, other or [0 * tensor for tensor in one], strict=True)
    return math.sqrt(sum(float((a - b).square().sum()) for a, b in pairs))


def _largest(optimizer: Optimizer, key: str) -> float:
    """Of its groups; 0 where none has it."""
    return max((float(group.get(key) or 0) for group in optimizer.param_groups), default=0.0)
