"""Calls of loss functions in training steps: what goes in, before the function itself may refuse it."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from gonogo.learning.loss_calls import LossCall, SeenError

LOOKED_AT = 4  # calls of each line whose input is examined
MOST_VALUES = 1 << 22  # of an input that is examined
MOST_RETURNED = 4096
MOST_CLASSES = 4096  # whose counts are kept
CLOSE = 1e-3  # of sums of probabilities to 1
LARGE = 8  # targets, of which all are the same by chance only where one class is nearly all
CLASSIFYING = (F.cross_entropy, F.nll_loss)
BINARY = (F.binary_cross_entropy, F.binary_cross_entropy_with_logits)
REGRESSING = (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.poisson_nll_loss)
SUBTRACTING = (Tensor.sub, Tensor.__sub__, Tensor.__rsub__, torch.sub)
_SIGNATURES = {function: inspect.signature(function) for function in (*CLASSIFYING, *BINARY, *REGRESSING)}


Before = Callable[[Any, tuple[Any, ...], dict[str, Any]], Callable[[Any], None] | None]
"""Called before a function of torch, with its arguments; may return what is called with its result."""


def watched_call(watched: Any, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
    """The result of a function of torch, shown to the one of `watched` (function → `Before`) that it is there for."""
    before = watched.get(function)
    after = before(function, args, kwargs or {}) if before is not None else None
    result = function(*args, **(kwargs or {}))
    if after is not None:
        after(result)
    return result


class WatchedTraining(Protocol):
    """Where training is, whose line is running, and what becomes of a watcher's own errors."""

    in_backward: bool

    @property
    def watching(self) -> bool: ...

    def where(self) -> str: ...

    def guard(self, watcher: str, look: Callable[..., Any], *args: Any) -> Any: ...


@dataclass
class LossCallWatch:
    session: WatchedTraining
    calls: dict[tuple[str, str], LossCall] = field(default_factory=dict)
    explains: SeenError = field(default_factory=SeenError)
    listeners: list[Callable[[LossCall, Tensor, Tensor], None]] = field(default_factory=list)
    batch_size: Callable[[], int | None] = lambda: None
    _softmax_of_batch: list[tuple[weakref.ref[Tensor], str]] = field(default_factory=list)

    def watched(self) -> dict[Any, Before]:
        found: dict[Any, Before] = dict.fromkeys(_SIGNATURES, self._loss)
        found |= dict.fromkeys(SUBTRACTING, self._subtraction)
        softmaxes = (F.softmax, F.log_softmax, torch.softmax, torch.log_softmax, Tensor.softmax, Tensor.log_softmax)
        found |= dict.fromkeys(softmaxes, self._softmax)
        found[F.embedding] = self._embedding
        return found

    def _ready(self) -> bool:
        return self.session.watching and not self.session.in_backward and torch.is_grad_enabled()

    def _loss(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[Any], None] | None:
        if self._ready():
            call = self.session.guard("loss functions", self._see, function, args, kwargs)
            if call is not None and len(call.values) < MOST_RETURNED:
                given = _SIGNATURES[function].bind(*args, **kwargs).arguments
                return lambda result: self.session.guard("loss values", _returned, call, given, result)
        elif self.session.watching and function in CLASSIFYING:
            self.session.guard("loss functions", self._see_validation, function, args, kwargs)
        return None

    def _see_validation(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Of validation, only what the function would refuse."""
        given = _SIGNATURES[function].bind(*args, **kwargs).arguments
        target = given["target"].detach()
        if not target.is_floating_point():
            call = LossCall(function=function.__name__, where=self.session.where(), calls=1)
            self._classes(call, given["input"].detach(), target, given.get("ignore_index", -100))

    def _see(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> LossCall | None:
        given = _SIGNATURES[function].bind(*args, **kwargs).arguments
        scores, target = given["input"], given["target"]
        if not (isinstance(scores, Tensor) and isinstance(target, Tensor)):
            return None
        scores, target = scores.detach(), target.detach()
        where, name = self.session.where(), function.__name__
        call = self.calls.setdefault((name, where), LossCall(function=name, where=where))
        call.calls += 1
        close = call.calls <= LOOKED_AT and scores.numel() <= MOST_VALUES
        if function in CLASSIFYING and not target.is_floating_point():
            self._classes(call, scores, target, given.get("ignore_index", -100))
        elif function in CLASSIFYING and target.shape != scores.shape:
            call.wrong_type = str(target.dtype).removeprefix("torch.")
            self._explain(call, "targets", f"{name} at {where} got targets of type {call.wrong_type}, shape "
                          f"{tuple(target.shape)}: class indices must be whole numbers (int64)",
                          "Call .long() on the targets, or hand in one probability a class.")  # fmt: skip
        self._alike(call, target)
        if function in REGRESSING or function in BINARY:
            self._shapes(call, scores, target)
            self._range(call, target)
        if close and function in CLASSIFYING:
            call.input = call.input or _what(scores, min(1, scores.ndim - 1))
        elif close and function is F.binary_cross_entropy_with_logits:
            through = given["input"].grad_fn
            call.input = "probabilities" if through is not None and "Sigmoid" in through.name() else call.input
        call.softmax_over_batch |= any(made() is given["input"] for made, _ in self._softmax_of_batch)
        for listener in self.listeners:
            self.session.guard(listener.__qualname__, listener, call, scores, target)
        return call

    def _classes(self, call: LossCall, scores: Tensor, target: Tensor, ignore: int) -> None:
        call.classes = scores.shape[1] if scores.ndim > 1 else scores.shape[0]
        kept = target[target != ignore]
        ignored = 1 - kept.numel() / max(1, target.numel())
        call.ignored_share += (ignored - call.ignored_share) / call.calls
        if not kept.numel():
            call.ignored += 1
            return
        low, high = int(kept.min()), int(kept.max())
        if low < 0 or high >= call.classes:
            bad = sorted({int(value) for value in kept[(kept < 0) | (kept >= call.classes)][:1000]})
            shown = ", ".join(map(str, bad[:5])) + (", …" if len(bad) > 5 else "")
            call.out_of_range = shown
            self._explain(call, "targets", f"targets of {call.function} at {call.where} contain {shown}; with "
                          f"{call.classes} outputs the classes are 0 to {call.classes - 1}",
                          "Number classes from 0, or make the last layer as wide as there are classes; mask what is "
                          f"not a class with ignore_index ({ignore}).")  # fmt: skip
        elif call.classes <= MOST_CLASSES:
            counts = torch.bincount(kept.reshape(-1).long())
            for index in torch.nonzero(counts).flatten().tolist()[:64]:
                call.class_counts[str(index)] = call.class_counts.get(str(index), 0) + int(counts[index])

    def _alike(self, call: LossCall, target: Tensor) -> None:
        """Of targets with one value a sample: whether all of the batch are the same."""
        if not target.ndim or not len(target) == target.numel() == self.batch_size() or len(target) < LARGE:
            return
        call.large_calls += 1
        value = target.reshape(-1)[0]
        if bool((target == value).all()):
            name = f"{float(value):g}"
            call.alike_changes += call.alike_calls > 0 and name != call.alike_last
            call.alike_calls, call.alike_last = call.alike_calls + 1, name
            if name not in call.alike_targets and len(call.alike_targets) < LARGE:
                call.alike_targets.append(name)

    def _shapes(self, call: LossCall, scores: Tensor, target: Tensor) -> None:
        if scores.shape != target.shape and not call.broadcast:
            call.broadcast = f"{tuple(scores.shape)} and {tuple(target.shape)}"

    def _range(self, call: LossCall, target: Tensor) -> None:
        values = target.float()
        low, high = float(values.min()), float(values.max())
        call.target_minimum = low if call.target_minimum is None else min(call.target_minimum, low)
        call.target_maximum = high if call.target_maximum is None else max(call.target_maximum, high)
        spread = float(values.std()) if values.numel() > 1 else 0.0
        call.target_spread = max(call.target_spread or 0.0, spread)
        if call.function == "binary_cross_entropy" and not 0 <= low <= high <= 1:
            call.out_of_range = f"{low:g} to {high:g}"
        if call.function == "binary_cross_entropy_with_logits" and not 0 <= low <= high <= 1:
            call.out_of_range = f"{low:g} to {high:g}"

    def _subtraction(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """(N, 1) minus (N,): every prediction against every target."""
        if not self.session.watching or len(args) < 2:
            return
        left, right = args[:2]
        if not (isinstance(left, Tensor) and isinstance(right, Tensor)) or left.shape == right.shape:
            return
        shapes = {left.ndim: left.shape, right.ndim: right.shape}
        if set(shapes) != {1, 2} or left.requires_grad == right.requires_grad:
            return
        count = shapes[1][0]
        if count > 1 and shapes[2] == (count, 1) and self.batch_size() == count:
            where = self.session.where()
            call = self.calls.setdefault(("subtraction", where), LossCall(function="subtraction", where=where))
            call.calls += 1
            call.broadcast = f"{tuple(left.shape)} and {tuple(right.shape)}"

    def _softmax(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[Any], None] | None:
        """Of two axes, over the first: over the samples of the batch, not over the classes."""
        if not self.session.watching or not args or not isinstance(args[0], Tensor) or args[0].ndim != 2:
            return None
        dim = kwargs.get("dim", args[1] if len(args) > 1 else None)
        if dim not in {0, -2} or args[0].shape[0] != self.batch_size() or not args[0].requires_grad:
            return None
        where = self.session.where()

        def made(result: Any) -> None:
            self._softmax_of_batch[:] = self._softmax_of_batch[-7:]
            self._softmax_of_batch.append((weakref.ref(result), where))

        return made

    def _embedding(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self.session.watching or len(args) < 2:
            return
        tokens, weight = args[0], args[1]
        if isinstance(tokens, Tensor) and tokens.numel() and isinstance(weight, Tensor):
            low, high = int(tokens.min()), int(tokens.max())
            if low < 0 or high >= weight.shape[0]:
                bad = low if low < 0 else high
                self._explain(None, "inputs", f"index {bad} goes into an embedding of {weight.shape[0]} rows at "
                              f"{self.session.where()}", "Make the embedding as large as the vocabulary (or the "
                              "longest sequence, for positions), or look for special tokens.")  # fmt: skip

    def _explain(self, call: LossCall | None, check: str, why: str, hint: str) -> None:
        self.explains = SeenError(check=check, why=why, hint=hint)


def _returned(call: LossCall, given: dict[str, Any], result: Tensor) -> None:
    """Keep what the function returned, as a mean over targets."""
    reduction = given.get("reduction", "mean")
    if result.ndim or reduction not in {"mean", "sum"}:
        return
    target = given["target"]
    kept = int((target != given.get("ignore_index", -100)).sum()) if not target.is_floating_point() else target.numel()
    call.values.append(float(result.detach()) / (max(1, kept) if reduction == "sum" else 1))


def _what(scores: Tensor, axis: int) -> str:
    """Whether scores are already probabilities, or their logarithms, over their classes."""
    if not scores.is_floating_point() or scores.shape[axis] < 2:
        return ""
    sums = scores.float().sum(axis)
    ones = torch.ones_like(sums)
    if bool((scores >= 0).all()) and torch.allclose(sums, ones, atol=CLOSE):
        return "probabilities"
    if bool((scores <= 0).all()) and torch.allclose(scores.float().exp().sum(axis), ones, atol=CLOSE):
        return "log-probabilities"
    return "scores"
