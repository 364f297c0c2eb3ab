"""Memory that a CUDA kernel takes for itself while it runs, beside its results: bytes by operation.

Formulas are those of torch's sources (aten/src/ATen/native/), which the functions name. Workspaces of cuDNN, cuBLAS
and their ROCm counterparts are not here: they depend on the card.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten
FLOAT, INTEGER = 4, 8  # bytes
MIOPEN_MOST = 7_000_000_000  # as published, of 3-D convolutions
SMALL_EMBEDDING = 3072  # indices up to which the backward does not sort


def scratch_bytes(func: Any, args: tuple[Any, ...]) -> list[int]:
    """Blocks that `func` allocates before its results and releases before it returns."""
    rule = _RULES.get(func)
    return [] if rule is None else [size for size in rule(args) if size]


def fastest_bytes(func: Any, args: tuple[Any, ...], miopen: bool = False) -> int:
    """Workspace of a convolution's fastest algorithm, which is taken where it fits; 0: none.

    Tensor cores read channels last: in float32 and in another order, all operands are copied so. MIOpen writes what the
    kernel sees at each place of one image (im2col), as far as it was ever seen to go.
    """
    if func not in _CONVOLUTIONS:
        return 0
    operands = [argument for argument in args[:3] if isinstance(argument, Tensor)]
    weight = operands[-1] if func is aten.convolution_backward.default else operands[1]
    groups = args[9] if func is aten.convolution_backward.default else args[8]
    if groups != 1 or weight.dim() < 4 or weight.dtype != torch.float32 or math.prod(weight.shape[2:]) == 1:
        return 0
    if weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous():
        return 0
    if func is aten.convolution_backward.default:
        places = math.prod(operands[0].shape[2:])
        columns = math.prod(weight.shape[1:]) * places * FLOAT
        return min(columns, MIOPEN_MOST) if miopen else sum(_bytes(operand) for operand in operands)
    given, strides, padding, dilation = args[0], args[3], args[4], args[5]
    spatial = [
        (size + 2 * pad - spread * (kernel - 1) - 1) // stride + 1
        for size, kernel, stride, pad, spread in zip(
            given.shape[2:], weight.shape[2:], strides, padding, dilation, strict=False
        )
    ]
    if miopen:
        return min(math.prod(weight.shape[1:]) * math.prod(spatial) * FLOAT, MIOPEN_MOST)
    out = 0 if args[6] else len(given) * weight.shape[0] * math.prod(spatial) * FLOAT
    return _bytes(given) + _bytes(weight) + out


_CONVOLUTIONS = {aten.convolution.default, aten.convolution_backward.default}


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _contiguous_copies(args: tuple[Any, ...]) -> list[int]:
    """Kernels that begin with `.contiguous()`."""
    return [_bytes(t) for t in args if isinstance(t, Tensor) and not t.is_contiguous()]


def _convolution_copies(args: tuple[Any, ...]) -> list[int]:
    """cuDNN wants all operands in one memory format: channels last if any is (native/cudnn/ConvShared.cpp)."""
    operands = [t for t in args[:3] if isinstance(t, Tensor) and t.dim() > 3]
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    last = formats.get(operands[0].dim()) if operands else None
    if last is None:
        return []
    wanted = torch.contiguous_format
    if any(t.is_contiguous(memory_format=last) and not t.is_contiguous() for t in operands[-2:]):
        wanted = last
    return [_bytes(t) for t in operands if not t.is_contiguous(memory_format=wanted)]


def _flash_backward(args: tuple[Any, ...]) -> list[int]:
    """Row sums, the query's gradient in float32, and keys' gradients by query head (flash_attn/flash_api.cpp)."""
    query, key = args[1], args[2]
    batch, heads, rows, width = query.shape
    rows, width = 128 * math.ceil(rows / 128), 32 * math.ceil(width / 32)
    sums = FLOAT * batch * heads * rows
    accumulated = sums * width if key.shape[2] > (128 if width <= 64 else 64) else 0
    grouped = key.shape[1] != heads
    expanded = batch * heads * key.shape[2] * key.shape[3] * key.element_size() if grouped else 0
    return [sums, accumulated, expanded, expanded]


def _efficient_backward(args: tuple[Any, ...]) -> list[int]:
    """Row sums, and for half precision the query's gradient in float32 (transformers/cuda/attention_backward.cu)."""
    query = args[1]
    batch, heads, rows, width = query.shape
    sums = FLOAT * batch * heads * rows
    return [sums, sums * width if query.dtype != torch.float32 else 0]


def _embedding_backward(args: tuple[Any, ...]) -> list[int]:
    """Sorted indices with their order, and partial sums by segment of 10 rows (native/cuda/Embedding.cu)."""
    gradient, indices, rows = args[0], args[1], args[2]
    count = indices.numel()
    if count <= SMALL_EMBEDDING:
        return []
    segments = min(count, int(rows)) + count // 10
    return [INTEGER * count] * 4 + [FLOAT * segments * 32 * math.ceil(gradient.shape[-1] / 32)]


def _index_put(args: tuple[Any, ...]) -> list[int]:
    """Linear index, its sorted copy and their order, if values are accumulated (native/cuda/Indexing.cu)."""
    accumulate = len(args) > 3 and bool(args[3])
    values = args[2]
    return [INTEGER * values.numel()] * 4 if accumulate else []


_RULES: dict[Any, Callable[[tuple[Any, ...]], list[int]]] = {
    aten.native_layer_norm.default: _contiguous_copies,
    aten.native_layer_norm_backward.default: _contiguous_copies,
    aten.native_group_norm.default: _contiguous_copies,
    aten.native_group_norm_backward.default: _contiguous_copies,
    aten._softmax.default: _contiguous_copies,
    aten._log_softmax.default: _contiguous_copies,
    aten._softmax_backward_data.default: _contiguous_copies,
    aten._log_softmax_backward_data.default: _contiguous_copies,
    aten.convolution.default: _convolution_copies,
    aten.convolution_backward.default: _convolution_copies,
    aten._scaled_dot_product_flash_attention_backward.default: _flash_backward,
    aten._scaled_dot_product_efficient_attention_backward.default: _efficient_backward,
    aten.embedding_dense_backward.default: _embedding_backward,
    aten._index_put_impl_.default: _index_put,
    aten.index_put_.default: _index_put,
    aten.index_put.default: _index_put,
}
