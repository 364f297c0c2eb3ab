"""Whether autograd's engine adds two gradients of a tensor in place: it does where nobody else holds the first."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gonogo.memory.torch_private import TorchDispatchMode, storage_use_count, tensor_use_count

aten = torch.ops.aten


def is_dense(tensor: Tensor) -> bool:
    """Whether its elements fill their memory without gaps or overlaps, in any order."""
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.numel() > 0 and last + 1 == tensor.numel() and 0 not in tensor.stride()


def references(tensor: Tensor) -> tuple[int, int]:
    """How many hold the tensor and its memory, as seen from within a dispatch."""
    return tensor_use_count(tensor), storage_use_count(tensor.untyped_storage()._cdata)


class _OwnedByEngine(TorchDispatchMode):
    """Finds the counts of references at which autograd's engine alone holds the first of two gradients that it adds."""

    counts: tuple[int, int] | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is aten.add.Tensor:
            self.counts = references(args[0])
        return func(*args, **(kwargs or {}))


def counts_when_owned() -> tuple[int, int] | None:
    with _OwnedByEngine() as mode, torch.enable_grad():
        leaf = torch.ones(2, requires_grad=True)
        one = leaf * 2
        (one.sin() * one.cos()).sum().backward()
    return mode.counts
