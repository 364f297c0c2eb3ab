"""Linear layers at 4 bits a weight, as bitsandbytes keeps them (QLoRA, Dettmers et al. 2023): their memory, no values.

What the memory gate traces. The weights that train are bitsandbytes' own: `load`.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gonogo import UserError

if TYPE_CHECKING:
    from transformers import Qwen3ForCausalLM

BLOCK = 64  # weights that share a scale
SCALE_BYTES = 4
EXTRA = "four-bit"  # of pyproject.toml


class _TimesDequantised(torch.autograd.Function):
    """x · Wᵀ with W unpacked for the length of the product, in the backward once more."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, packed: Tensor, shape: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(packed)
        ctx.shape = shape
        return x @ torch.empty(shape, dtype=x.dtype, device=x.device).T

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        return gradient @ torch.empty(ctx.shape, dtype=gradient.dtype, device=gradient.device), None, None


class FourBit(nn.Linear):
    """The memory of a frozen linear layer at 4 bits: half a byte a weight, and a 32-bit scale a block."""

    def __init__(self, linear: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.shape = (linear.out_features, linear.in_features)
        size = linear.weight.numel()
        packed = torch.zeros(size // 2, 1, dtype=torch.uint8, device=linear.weight.device)
        self.weight = nn.Parameter(packed, requires_grad=False)
        self.register_parameter("bias", linear.bias)
        scales = torch.zeros(-(-size // BLOCK) * SCALE_BYTES, dtype=torch.uint8, device=linear.weight.device)
        self.register_buffer("scales", scales, persistent=False)  # as bytes: no precision of the model changes them

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = _TimesDequantised.apply(x, self.weight, self.shape)
        return found if self.bias is None else found + self.bias


def packed_layers(model: nn.Module) -> None:
    """Replace every linear layer below `model`."""
    for owner in list(model.modules()):
        for name, child in list(owner.named_children()):
            if type(child) is nn.Linear:
                setattr(owner, name, FourBit(child))


def load(folder: Path, key: str) -> Qwen3ForCausalLM:
    """A model from a folder, its linear layers at 4 bits (NF4) but for the head.

    Raises:
        UserError: bitsandbytes is not installed.
    """
    for package in ("bitsandbytes", "accelerate"):
        if importlib.util.find_spec(package) is None:
            raise UserError(f"{key}: 4 needs the package {package}, not installed: pip install 'gonogo[{EXTRA}]'")
    from transformers import BitsAndBytesConfig
    from transformers.models.qwen3 import Qwen3ForCausalLM

    how = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
    return Qwen3ForCausalLM.from_pretrained(folder, local_files_only=True, quantization_config=how)
