"""What the CUDA kernels allocate where a processor's would allocate something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gonogo.memory.devices import Card

aten = torch.ops.aten
HALF = (torch.float16, torch.bfloat16)
# ops with a CUDA kernel, of which a build without CUDA only knows a decomposition that allocates more
# (aten/src/ATen/native/native_functions.yaml: a CUDA entry beside CompositeImplicitAutograd)
CUDA_ONLY_FUSED = ("silu_backward", "mish_backward", "_fused_rms_norm", "native_channel_shuffle")


@contextmanager
def cuda_kernels(card: Card) -> Iterator[None]:
    """Within, ops on "cuda" are dispatched to the kernels that `card` has."""
    library = torch.library.Library("aten", "IMPL")
    has = torch._C._dispatch_has_kernel_for_dispatch_key
    try:
        for name in CUDA_ONLY_FUSED:
            if not has(f"aten::{name}", "CUDA"):
                library.impl(name, _never, "CUDA")
        library.impl("scaled_dot_product_attention", _attention(card), "AutogradCUDA", allow_override=True)
        library.impl("scaled_dot_product_attention", _attention(card), "CUDA", allow_override=True)
        yield
    finally:
        library._destroy()


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
