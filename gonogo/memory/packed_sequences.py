"""Packed sequences: their shapes follow from the texts' lengths, which a trace knows where they are constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gonogo.memory import constant_values
from gonogo.memory.torch_private import DisableTorchDispatch, DynamicOutputShapeException

aten = torch.ops.aten


class _Reshaped(torch.autograd.Function):
    """A tensor of another shape in memory of its own; its gradient goes the same way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        ctx.shape = x.shape
        return x.new_empty(shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0].new_empty(ctx.shape), None


def _numbers(tensor: Tensor, operator: Any) -> list[int]:
    value = constant_values.known(tensor)
    if value is None:
        raise DynamicOutputShapeException(operator)
    with DisableTorchDispatch():
        return [int(number) for number in value.tolist()]


def _pack(x: Tensor, lengths: Tensor, batch_first: bool) -> tuple[Tensor, Tensor]:
    """(T, B, …) → (sum of lengths, …), and how many texts reach each step."""
    each = _numbers(lengths, aten._pack_padded_sequence.default)
    reach = [sum(length > step for length in each) for step in range(max(each))]
    x = x.transpose(0, 1) if batch_first else x
    return _Reshaped.apply(x, (sum(each), *x.shape[2:])), torch.tensor(reach)


def _pad(x: Tensor, reach: Tensor, batch_first: bool, padding_value: float, total_length: int) -> tuple[Tensor, Tensor]:
    """(sum of lengths, …) → (T, B, …), and the lengths."""
    texts = _numbers(reach, aten._pad_packed_sequence.default)
    steps = total_length if total_length > 0 else len(texts)
    out = _Reshaped.apply(x, (steps, texts[0], *x.shape[1:]))
    lengths = torch.tensor([sum(number > text for number in texts) for text in range(texts[0])])
    return out.transpose(0, 1) if batch_first else out, lengths


KERNELS: dict[str, Callable[..., Any]] = {"_pack_padded_sequence": _pack, "_pad_packed_sequence": _pad}
