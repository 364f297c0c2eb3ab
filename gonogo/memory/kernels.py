"""What the CUDA kernels allocate where a processor's would allocate something else."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gonogo.memory import packed_sequences, recurrent
from gonogo.memory.devices import Card
from gonogo.memory.torch_private import has_kernel, meta_table

aten = torch.ops.aten
HALF = (torch.float16, torch.bfloat16)
# ops with a CUDA kernel, of which a build without CUDA only knows a decomposition that allocates more
# (aten/src/ATen/native/native_functions.yaml: a CUDA entry beside CompositeImplicitAutograd)
CUDA_ONLY_FUSED = ("silu_backward", "mish_backward", "_fused_rms_norm", "native_channel_shuffle")


@contextmanager
def cuda_kernels(card: Card, assume: Callable[[str], None]) -> Iterator[None]:
    """Within, ops on "cuda" are dispatched to the kernels that `card` has.

    Args:
        assume: told of each size that no source states.
    """
    library = torch.library.Library("aten", "IMPL")
    shapes = {getattr(aten, name).default: kernel for name, kernel in META.items()}
    before = {operator: meta_table[operator] for operator in shapes if operator in meta_table}
    try:
        for name in CUDA_ONLY_FUSED:
            if not has_kernel(f"aten::{name}", "CUDA"):
                library.impl(name, _never, "CUDA")
        own = recurrent.kernels(card.miopen, assume) | packed_sequences.KERNELS
        own["scaled_dot_product_attention"] = _attention(card)
        for name, kernel in own.items():
            for key in ("AutogradCUDA", "CUDA"):
                library.impl(name, kernel, key, allow_override=True)
        for name, kernel in META.items():
            library.impl(name, kernel, "Meta", allow_override=True)
        meta_table.update(shapes)  # else a decomposition would come first
        yield
    finally:
        for operator in shapes:
            meta_table.pop(operator, None)
        meta_table.update(before)
        library._destroy()


def _batch_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor | None, variance: Tensor | None,
    training: bool, momentum: float, eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Output, and the batch's statistics in float32 (aten/src/ATen/native/cuda/Normalization.cu)."""
    kept = x.shape[1] if training else 0
    dtype = torch.float32 if x.dtype in HALF else x.dtype
    return torch.empty_like(x), x.new_empty(kept, dtype=dtype), x.new_empty(kept, dtype=dtype)


def _batch_norm_backward(
    gradient: Tensor, x: Tensor, weight: Tensor | None, mean: Tensor | None, variance: Tensor | None,
    batch_mean: Tensor | None, batch_deviation: Tensor | None, training: bool, eps: float, wanted: list[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:  # fmt: skip
    like = x if weight is None else weight
    of_weight, of_bias = (like.new_empty(x.shape[1]) if asked else None for asked in wanted[1:])
    return torch.empty_like(x) if wanted[0] else None, of_weight, of_bias


def _grouped_mm(
    a: Tensor, b: Tensor, ends: Tensor | None = None, bias: Tensor | None = None, dtype: torch.dtype | None = None
) -> Tensor:
    """Rows padded to 16 bytes; on a GPU in any dtype (aten/src/ATen/native/cuda/GroupedBlas.cpp), in torch's not."""
    shape = [a.shape[-2], b.shape[-1]]
    if a.dim() == b.dim():
        shape.insert(0, len(a) if ends is None else len(ends))
    per_row = 16 // a.element_size()
    row = per_row * math.ceil(shape[-1] / per_row)
    return a.new_empty(*shape[:-1], row, dtype=dtype)[..., : shape[-1]]


# shapes of results, where torch has no way to them, or a decomposition in Python, which was half of a trace's time
META: dict[str, Callable[..., Any]] = {
    "native_batch_norm": _batch_norm,
    "native_batch_norm_backward": _batch_norm_backward,
    "_grouped_mm": _grouped_mm,
    **recurrent.META,
}


def _never(*args: Any, **kwargs: Any) -> None:
    raise RuntimeError("a placeholder for a CUDA kernel was run on real data")


def _attention(card: Card) -> Callable[..., Tensor]:
    """scaled_dot_product_attention as aten/src/ATen/native/transformers/attention.cpp does it on a GPU.

    As a kernel, not as a replaced Python function: so it also holds in a checkpoint's recomputation and for C++
    callers. Which kernel: aten/src/ATen/native/transformers/cuda/sdp_utils.cpp, in its default order.
    """

    def attention(
        query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
        is_causal: bool = False, *, scale: float | None = None, enable_gqa: bool = False,
    ) -> Tensor:  # fmt: skip
        if card.flash and _flash_takes(query, key, value, attn_mask, is_causal, enable_gqa):
            width = query.shape[-1]
            padded = [F.pad(t, (0, -width % 8)) if width % 8 else t for t in (query, key, value)]
            scale = width**-0.5 if scale is None else scale
            out = aten._scaled_dot_product_flash_attention(*padded, dropout_p, is_causal, False, scale=scale)[0]
            return out[..., :width] if width % 8 else out
        if card.efficient and _efficient_takes(query, key, value):
            save = torch.is_grad_enabled() and any(t.requires_grad for t in (query, key, value))
            bias = _bias(attn_mask, query, key)
            return aten._scaled_dot_product_efficient_attention(
                query, key, value, bias, save, dropout_p, is_causal, scale=scale
            )[0]
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            attn_mask = _additive(attn_mask, query.dtype)
        return aten._scaled_dot_product_attention_math(
            query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
        )[0]

    return attention


def _flash_takes(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, is_causal: bool, enable_gqa: bool
) -> bool:
    if query.dtype not in HALF or mask is not None or query.dim() != 4:
        return False
    if not query.shape[-1] == key.shape[-1] == value.shape[-1] <= 256:
        return False
    if is_causal and query.shape[2] != key.shape[2]:
        return False
    return query.shape[1] == key.shape[1] == value.shape[1] or enable_gqa


def _efficient_takes(query: Tensor, key: Tensor, value: Tensor) -> bool:
    if query.dtype not in (*HALF, torch.float32) or query.dim() != 4:
        return False
    alignment = 8 if query.dtype in HALF else 4
    if any(t.shape[-1] % alignment for t in (query, key, value)):
        return False
    return query.shape[1] == key.shape[1] == value.shape[1]


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask.logical_not(), float("-inf"))


def _bias(mask: Tensor | None, query: Tensor, key: Tensor) -> Tensor | None:
    """The mask as the memory-efficient kernel wants it: additive, rows padded to 16 elements, expanded."""
    if mask is None:
        return None
    if mask.dtype == torch.bool:
        mask = _additive(mask, query.dtype)
    length = mask.shape[-1]
    if length % 16:
        mask = F.pad(mask, (0, -length % 16))[..., :length]
    return mask.expand(query.shape[0], query.shape[1], query.shape[2], key.shape[2])
