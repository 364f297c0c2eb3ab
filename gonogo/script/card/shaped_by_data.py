"""Operations whose results' shapes depend on values that are not known: the largest result that they can have.

It is an upper bound of their memory, and a guess: everything behind it has the bound's shape.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gonogo.memory.constant_values import INDEXED, known
from gonogo.memory.torch_private import FakeTensor

aten = torch.ops.aten
UNIQUE = (aten._unique2.default, aten.unique_dim.default, aten.unique_consecutive.default)


def bounded(func: Any, args: tuple[Any, ...], assume: Callable[[str], None], note: Callable[[str], None]) -> Any:
    """Its result, or None where the operation is no such one or its operands are known. Under FakeTensorMode."""
    if not args or not isinstance(args[0], FakeTensor) or known(args[0]) is not None:
        return None
    source = args[0]
    if func in UNIQUE:
        return _one(source, note if _checks_metrics() else assume)
    if func is aten.nonzero.default:
        assume("nonzero: all elements were assumed to be")
        return source.new_empty((source.numel(), source.dim()), dtype=torch.long)
    if func is aten.masked_select.default:
        assume("masked_select: all elements were assumed to be selected")
        return source.new_empty((max(source.numel(), args[1].numel()),))
    return None


def _one(source: Tensor, say: Callable[[str], None]) -> tuple[Tensor, Tensor, Tensor]:
    say("unique: one distinct value was assumed")
    inverse = source.new_empty(source.shape, dtype=torch.long)
    return source.new_empty((1,)), inverse, source.new_empty((1,), dtype=torch.long)


def _checks_metrics() -> bool:
    """Whether torchmetrics asks, which only compares the number of classes with its argument."""
    frame: Any = sys._getframe(2)
    for _ in range(12):
        if frame is None:
            return False
        if frame.f_globals.get("__name__", "").startswith("torchmetrics"):
            return True
        frame = frame.f_back
    return False


def with_full_masks(func: Any, args: tuple[Any, ...], assume: Callable[[str], None]) -> tuple[Any, ...]:
    """The arguments of an indexing operation with each mask that is not known as if it were true everywhere."""
    if func not in INDEXED or len(args) < 2:
        return args
    found: list[Any] = []
    for index in args[1]:
        if isinstance(index, Tensor) and index.dtype == torch.bool and known(index) is None:
            assume("a mask: it was assumed to select all elements")
            count = index.numel()
            found += [torch.empty(count, dtype=torch.long, device=index.device) for _ in range(index.dim())]
        else:
            found.append(index)
    return args[0], found, *args[2:]
