"""What is asked of a model, told from one batch: quantities, yes or no, or one class of several at each position."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gonogo.adapters.batch_parts import described
from gonogo.base.errors import UserError
from gonogo.experiment.measure import Classes, Measure, Quantities, YesNo

CLOSE = 0.02  # relative difference below which two losses are the same one
SUMS_TO_ONE = 1e-3

Change = Callable[[Tensor], Tensor]


def _same(values: Tensor) -> Tensor:
    return values


@dataclass(frozen=True)
class Task:
    """How outputs are held against targets.

    Attributes:
        outputs, targets: bring what the model returns and what the batch holds into the measure's shapes.
    """

    measure: Measure
    outputs: Change = _same
    targets: Change = _same


def task_of(outputs: Tensor, targets: Tensor, loss: float | None, more_targets: Iterable[Tensor]) -> Task:
    """The task that these outputs and targets of one batch belong to.

    Args:
        loss: the project's own of this batch, which decides where shapes leave it open.
        more_targets: of other training batches: they give the spread that errors are divided by.

    Raises:
        UserError: they do not fit together.
    """
    whole = not targets.is_floating_point()
    if targets.ndim > 1 and targets.shape[1] == 1 and outputs.ndim == targets.ndim and outputs.shape[1] > 1 and whole:
        inner = task_of(outputs, targets.squeeze(1), loss, ())
        return Task(inner.measure, inner.outputs, lambda found: inner.targets(found.squeeze(1)))
    if whole and (found := _classes(outputs, targets, loss)):
        return found
    if not whole and outputs.shape == targets.shape and _is_distribution(targets):
        return Task(Classes(outputs.shape[1], probabilities=_are_shares(outputs, 1)), targets=lambda t: t.argmax(1))
    change = _to_shape_of(outputs, targets)
    if change is None:
        raise UserError(
            f"outputs are {described(outputs)}, targets {described(targets)}: they cannot be held against each other; "
            "say predict=lambda model, batch: … and targets=lambda batch: … of one shape, or logits and classes"
        )
    if bool(((targets == 0) | (targets == 1)).all()):
        return Task(YesNo(probabilities=_are_probabilities(change(outputs), targets, loss)), change)
    return Task(Quantities(squared_error, _scale([targets, *more_targets])), change)


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """The error that the mean is the best answer to: no other constant beats it."""
    return (outputs - targets).square().mean()


def _classes(outputs: Tensor, targets: Tensor, loss: float | None) -> Task | None:
    if outputs.ndim == 2 and targets.ndim > 1 and len(outputs) == targets.numel():  # a text's positions in one row
        return _unflattened(_classes(outputs.reshape(*targets.shape, -1), targets, loss), targets.shape[1:])
    found: list[Task] = []
    if outputs.ndim == targets.ndim + 1 and outputs.ndim > 1:
        shape, last = tuple(outputs.shape), outputs.ndim - 1
        if shape[:1] + shape[2:] == tuple(targets.shape) and shape[1] > 1:
            found.append(Task(Classes(shape[1], 1, probabilities=_are_shares(outputs, 1))))
        if last > 1 and shape[:-1] == tuple(targets.shape):
            measure = Classes(shape[-1], last, probabilities=_are_shares(outputs, last))
            found.append(Task(measure))
            if outputs.ndim == 3 and shape[1] > 1:
                found.append(Task(measure, lambda o: o[:, :-1], lambda t: t[:, 1:]))  # the model shifts them itself
    if len(found) < 2 or loss is None:
        return found[0] if found else None
    return min(found, key=lambda task: abs(_nats(task, outputs, targets) - loss))


def _unflattened(task: Task | None, positions: tuple[int, ...]) -> Task | None:
    if task is None:
        return None
    change = task.outputs
    return Task(task.measure, lambda o: change(o.reshape(-1, *positions, o.shape[-1])), task.targets)


def _nats(task: Task, outputs: Tensor, targets: Tensor) -> float:
    """Over all positions, as losses are averaged."""
    o, t = task.outputs(outputs).float(), task.targets(targets)
    dim = task.measure.dim if isinstance(task.measure, Classes) else 1
    keep = (t >= 0) & (t < o.shape[dim])
    if not bool(keep.any()):
        return float("inf")
    picked = o.log_softmax(dim).gather(dim, t.where(keep, torch.zeros_like(t)).long().unsqueeze(dim)).squeeze(dim)
    return -float(picked[keep].mean())


def _are_shares(outputs: Tensor, dim: int) -> bool:
    """Whether a softmax was applied: they are not negative, and sum to one."""
    values = outputs.float()
    return bool((values >= 0).all()) and bool(((values.sum(dim) - 1).abs() < SUMS_TO_ONE).all())


def _is_distribution(targets: Tensor) -> bool:
    """Classes one-hot, or mixed from several samples."""
    return targets.ndim > 1 and targets.shape[1] > 1 and _are_shares(targets, 1)


def _are_probabilities(outputs: Tensor, targets: Tensor, loss: float | None) -> bool:
    """Whether a sigmoid was applied; logits that lie between 0 and 1 by chance are recognised by the loss."""
    values = outputs.float()
    if not bool(((values >= 0) & (values <= 1)).all()):
        return False
    as_logits = float(functional.binary_cross_entropy_with_logits(values, targets.float()))
    return loss is None or abs(as_logits - loss) > CLOSE * max(abs(loss), 1e-6)


def _to_shape_of(outputs: Tensor, targets: Tensor) -> Change | None:
    """Adds or takes away one axis of one value; None where that does not help."""
    if outputs.shape == targets.shape:
        return _same
    for axis in (-1, 1):
        if (
            outputs.ndim == targets.ndim + 1
            and outputs.shape[axis] == 1
            and outputs.squeeze(axis).shape == targets.shape
        ):
            return lambda found, axis=axis: found.squeeze(axis)  # type: ignore[misc]
        if outputs.ndim + 1 == targets.ndim and outputs.unsqueeze(axis).shape == targets.shape:
            return lambda found, axis=axis: found.unsqueeze(axis)  # type: ignore[misc]
    return None


def _scale(targets: list[Tensor]) -> Tensor | None:
    """Spread of each column of a table; one scale changes nothing in pictures and signals."""
    if targets[0].ndim > 2:
        return None
    spread = torch.cat([found.detach().float().cpu() for found in targets]).std(0, correction=0)
    return spread.where(spread > 1e-12 * spread.max().clamp(min=1e-30), torch.ones_like(spread))


def broadcast_fault(loss: Callable[[Tensor, Tensor], Any], outputs: Tensor, targets: Tensor) -> str:
    """What is wrong where the loss holds each output against every target, because their shapes differ; else empty."""
    change = _to_shape_of(outputs, targets)
    if change is None or change is _same or not targets.is_floating_point():
        return ""
    try:
        as_is, paired = float(loss(outputs, targets)), float(loss(change(outputs), targets))
    except Exception:  # a loss that asks for the shapes that it is given
        return ""
    if abs(as_is - paired) <= 1e-4 * max(abs(paired), 1e-12):
        return ""
    return (
        f"the loss is given outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)}: each output is held "
        "against every target of the batch, and the model learns their mean; bring them to one shape"
    )
