"""Models whose frozen weights are packed into few bits, as bitsandbytes, GPTQ and AWQ keep them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import nn

CAST = "frozen weights cast to 32 bits"
PACKED = (torch.uint8, torch.int8, torch.int32)
HALF_BYTES = 2
LEAST_SHARE = 0.2  # of all that the model keeps
BITS = 4  # a weight, where nothing says how many


def packed(model: nn.Module) -> list[torch.Tensor]:
    """Integers that hold weights, two or more each: most of what such a model keeps, and not a table of indices."""
    kept = [*model.parameters(), *model.buffers()]
    found = [tensor for tensor in kept if tensor.dtype in PACKED]
    return found if _bytes(found) > LEAST_SHARE * _bytes(kept) else []


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def loading_bytes(model: nn.Module) -> int:
    """Of the packed weights at 16 bits; 0: nothing is packed."""
    eight = any("8bit" in type(module).__name__ for module in model.modules())
    bits = 8 if eight else BITS
    return _bytes(packed(model)) * 8 // bits * HALF_BYTES


def cast_up(model: nn.Module) -> Iterator[int]:
    """Identities of floating-point weights at 32 bits in a model with packed ones, most of whose others are at 16."""
    if not packed(model):
        return
    for parameter in model.parameters():
        if parameter.dtype == torch.float32 and not parameter.requires_grad:
            yield id(parameter)
