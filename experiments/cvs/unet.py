"""The U-Net of consistency view synthesis: a noisy target and the input picture in, an estimate of the target out.

Residual blocks as in ADM (Dhariwal & Nichol 2021). At the bottleneck the picture attends to itself, then to tokens
of the input picture and of the requested pose.
"""

from __future__ import annotations

import math
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from experiments.cvs.poses import POSE_SIZE
from experiments.cvs.pretrained import TOKEN_WIDTH
from experiments.cvs.settings import ModelSettings

HEAD_WIDTH = 32
TOKEN_PATCH_PX = 8
INPUT_KEPT = 1.0  # logit: an untrained network keeps 0.73 of the input
TIME_SCALE = 1000  # sinusoids distinguish whole numbers; times run 0-1

Layer = TypeVar("Layer", bound=nn.Module)


class UNet(nn.Module):
    """Estimate of a clean target in [-1, 1], blended from a predicted picture and the input picture.

    The last convolution gives the colours and, pixel by pixel, how much of the input to keep instead of them.
    Height and width must be multiples of `size_multiple(settings)`.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        base, width, blocks, fold = (
            settings.base_channels, settings.token_width, settings.res_blocks, settings.patch_size,
        )  # fmt: skip
        channels = [base * multiplier for multiplier in settings.channel_multipliers]
        pairs = list(zip([base, *channels], channels, strict=False))  # channels entering a level, and within it
        self.time_waves = base
        self.time = nn.Sequential(nn.Linear(base, base), nn.SiLU(), nn.Linear(base, base))
        self.pose = nn.Sequential(nn.Linear(POSE_SIZE, base), nn.SiLU(), nn.Linear(base, base))
        self.pose_tokens = PoseTokens(settings.pose_tokens, width)
        self.image_tokens = PatchTokens(width) if settings.image_tokens == "patches" else nn.Linear(TOKEN_WIDTH, width)

        self.stem = nn.Sequential(nn.PixelUnshuffle(fold), nn.Conv2d(6 * fold**2, base, 3, padding=1))
        again = settings.checkpointing
        self.down = nn.ModuleList(Level(before, wide, blocks, base, again) for before, wide in pairs)
        self.shrink = nn.ModuleList(nn.Conv2d(wide, wide, 3, stride=2, padding=1) for wide in channels[:-1])
        self.middle = Bottleneck(channels[-1], base, width)
        self.up = nn.ModuleList(Level(2 * wide, wide, blocks, base, again) for wide in channels)
        self.enlarge = nn.ModuleList(nn.Conv2d(wide, before, 3, padding=1) for before, wide in pairs[1:])
        last = zeroed(nn.Conv2d(channels[0], 4 * fold**2, 3, padding=1))
        self.out = nn.Sequential(norm(channels[0]), nn.SiLU(), last, nn.PixelShuffle(fold))

    def forward(self, noisy: Tensor, picture: Tensor, time: Tensor, pose: Tensor, tokens: Tensor | None) -> Tensor:
        """The clean target (B, 3, H, W).

        Args:
            noisy: target with noise (B, 3, H, W).
            picture: input picture (B, 3, H, W) in [-1, 1].
            time: noise level (B,) in [0, 1], 1 for pure noise; float32.
            pose: of the view relative to the input (B, 15).
            tokens: DINOv2 tokens of the input (B, N, 384); None if the tokens are learned patches of it.
        """
        waves = sinusoids(TIME_SCALE * time, self.time_waves).to(noisy.dtype)
        embedded = F.silu(self.time(waves) + self.pose(pose))
        image_tokens = self.image_tokens(picture if tokens is None else tokens)
        context = torch.cat([image_tokens, self.pose_tokens(pose)], dim=1)

        x = self.stem(torch.cat([noisy, picture], dim=1))
        skips = []
        for level, blocks in enumerate(self.down):
            x = blocks(x, embedded)
            skips.append(x)
            if level < len(self.shrink):
                x = self.shrink[level](x)
        x = self.middle(x, embedded, context)
        for level in reversed(range(len(self.up))):
            if level < len(self.enlarge):
                x = self.enlarge[level](F.interpolate(x, scale_factor=2.0, mode="nearest"))
            x = self.up[level](torch.cat([x, skips[level]], dim=1), embedded)
        colour, kept = self.out(x).split([3, 1], dim=1)
        kept = torch.sigmoid(kept + INPUT_KEPT)
        return kept * picture + (1 - kept) * colour


def size_multiple(settings: ModelSettings) -> int:
    """Height and width of pictures must be a multiple of this many pixels."""
    levels = settings.patch_size * 2 ** (len(settings.channel_multipliers) - 1)
    return math.lcm(levels, TOKEN_PATCH_PX) if settings.image_tokens == "patches" else levels


class Level(nn.Module):
    """Residual blocks at one resolution; with `checkpointing`, each is recomputed in the backward pass."""

    def __init__(self, channels_in: int, channels: int, blocks: int, embedding: int, checkpointing: bool) -> None:
        super().__init__()
        widths = [channels_in] + [channels] * (blocks - 1)
        self.blocks = nn.ModuleList(ResBlock(width, channels, embedding) for width in widths)
        self.checkpointing = checkpointing

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        for block in self.blocks:
            again = self.checkpointing and self.training
            x = checkpoint(block, x, embedded, use_reentrant=False) if again else block(x, embedded)  # type: ignore[assignment]
        return x


class ResBlock(nn.Module):
    """Two convolutions; time and pose scale and shift the features between them (Perez et al., FiLM, 2018)."""

    def __init__(self, channels_in: int, channels: int, embedding: int) -> None:
        super().__init__()
        self.before = nn.Sequential(
            norm(channels_in), nn.SiLU(), nn.Conv2d(channels_in, channels, 3, padding=1), norm(channels)
        )
        self.modulation = nn.Linear(embedding, 2 * channels)
        self.after = nn.Sequential(nn.SiLU(), zeroed(nn.Conv2d(channels, channels, 3, padding=1)))
        self.skip = nn.Conv2d(channels_in, channels, 1) if channels_in != channels else nn.Identity()

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        scale, shift = self.modulation(embedded)[:, :, None, None].chunk(2, dim=1)
        return self.skip(x) + self.after(self.before(x) * (1 + scale) + shift)


class Bottleneck(nn.Module):
    """Residual block, self-attention, cross-attention to `context` (B, M, token_width)."""

    def __init__(self, channels: int, embedding: int, token_width: int) -> None:
        super().__init__()
        self.block = ResBlock(channels, channels, embedding)
        self.self_attention = Attention(channels, channels)
        self.cross_attention = Attention(channels, token_width)

    def forward(self, x: Tensor, embedded: Tensor, context: Tensor) -> Tensor:
        x = self.block(x, embedded)
        places = as_tokens(x)
        places = self.self_attention(places, places)
        places = self.cross_attention(places, context)
        return places.transpose(1, 2).reshape(x.shape)


class Attention(nn.Module):
    """Multi-head attention of (B, N, channels) to (B, M, context_width), added to the input."""

    def __init__(self, channels: int, context_width: int) -> None:
        super().__init__()
        self.heads = math.gcd(channels, max(1, channels // HEAD_WIDTH))
        self.norm, self.context_norm = nn.LayerNorm(channels), nn.LayerNorm(context_width)
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(context_width, 2 * channels)
        self.out = zeroed(nn.Linear(channels, channels))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        query = self.query(self.norm(x))
        key, value = self.key_value(self.context_norm(context)).chunk(2, dim=-1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, key, value))
        attended = F.scaled_dot_product_attention(query, key, value)
        return x + self.out(attended.transpose(1, 2).flatten(2))


class PoseTokens(nn.Module):
    """(B, 15) → (B, tokens, width)."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.mlp = nn.Sequential(nn.Linear(POSE_SIZE, width), nn.SiLU(), nn.Linear(width, tokens * width))

    def forward(self, pose: Tensor) -> Tensor:
        return self.mlp(pose).unflatten(-1, (self.tokens, -1))


class PatchTokens(nn.Module):
    """(B, 3, H, W) → (B, H/8 · W/8, width): learned patches, used if no pretrained tokens are configured."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, width, TOKEN_PATCH_PX, stride=TOKEN_PATCH_PX)

    def forward(self, picture: Tensor) -> Tensor:
        return as_tokens(self.embed(picture))


def as_tokens(x: Tensor) -> Tensor:
    """(B, C, H, W) → (B, H · W, C), with its position: half of the features encode the row, half the column."""
    _, channels, height, width = x.shape
    rows = sinusoids(torch.arange(height, device=x.device), channels // 2)[:, None].expand(-1, width, -1)
    columns = sinusoids(torch.arange(width, device=x.device), channels // 2)[None].expand(height, -1, -1)
    return x.flatten(2).transpose(1, 2) + torch.cat([rows, columns], dim=-1).flatten(0, 1).to(x.dtype)


def sinusoids(positions: Tensor, features: int) -> Tensor:
    """(N,) → (N, features) float32: cosines and sines of geometrically spaced frequencies (Vaswani et al. 2017)."""
    half = features // 2
    exponents = torch.arange(half, device=positions.device, dtype=torch.float32) / half
    angles = positions[:, None] * torch.exp(-math.log(10_000) * exponents)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(8, channels), channels)


def zeroed(layer: Layer) -> Layer:
    """The layer with zero weights, so that a residual branch initially adds nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
