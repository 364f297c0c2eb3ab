"""Operations that allocate nothing."""

from __future__ import annotations

import functools
from typing import Any

import torch

from gonogo.memory.torch_private import FakeTensor, in_kernel_invocation_manager

aten = torch.ops.aten

# nothing is allocated: these go round FakeTensorMode's caches, where half of a trace's time was
VIEWS = {
    aten.detach.default, aten.t.default, aten.view.default, aten._unsafe_view.default, aten.transpose.int,
    aten.slice.Tensor, aten.select.int, aten.permute.default, aten.expand.default, aten.unsqueeze.default,
}  # fmt: skip


def view(func: Any, args: tuple[Any, ...]) -> FakeTensor:
    """Another fake tensor of the same memory, as FakeTensorMode makes one."""
    source = args[0]
    with in_kernel_invocation_manager(source.fake_mode):
        out = func(*args)
    return FakeTensor(source.fake_mode, out, source.fake_device)


@functools.cache
def only_writes(func: Any) -> bool:
    """An in-place operation on lists, of which there is no result."""
    return func.__name__.startswith(("_foreach_", "_fused_")) and not func._schema.returns
