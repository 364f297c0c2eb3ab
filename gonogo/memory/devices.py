"""What of a card decides which kernels run on it."""

from __future__ import annotations

from dataclasses import dataclass

from gonogo.config.accelerator import Architecture


@dataclass(frozen=True)
class Card:
    """A card, as its kernels are chosen."""

    # compute capability as CUDA counts it; ROCm reports the first digits of the gfx number
    capability: tuple[int, int] = (8, 6)
    # there is a flash attention kernel: compute capability 8.0 and later; ROCm: gfx90a, gfx942, gfx1100
    # (aten/src/ATen/native/transformers/cuda/sdp_utils.cpp, check_flash_attention_hardware_support)
    flash: bool = True
    # there is a memory-efficient attention kernel: compute capability 5.0 and later; ROCm: as flash
    efficient: bool = True
    miopen: bool = False  # AMD's library runs recurrent layers, in the place of cuDNN


CARDS: dict[Architecture, Card] = {
    "turing": Card((7, 5), flash=False),
    "ampere": Card((8, 6)),
    "ada": Card((8, 9)),
    "hopper": Card((9, 0)),
    "blackwell": Card((12, 0)),
    "cdna3": Card((9, 4), miopen=True),
    "rdna1": Card((10, 1), flash=False, efficient=False, miopen=True),
    "rdna3": Card(
        (11, 0), flash=False, efficient=False, miopen=True
    ),  # of gfx11 only gfx1100 and gfx1151, behind a variable
}


def card_of(architecture: Architecture) -> Card:
    """The card of this architecture; of others, and of a processor, one that has all kernels."""
    return CARDS.get(architecture, Card())
