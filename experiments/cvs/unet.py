"""The U-Net of consistency view synthesis: a noisy target and the input picture in, an estimate of the target out.

Residual blocks as in DDPM and ADM (Ho et al. 2020, Dhariwal & Nichol 2021). At the bottleneck the picture attends to
itself, then to tokens of the input picture and of the pose that the view is asked from.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from experiments.cvs.poses import POSE_SIZE
from experiments.cvs.settings import ModelSettings

HEAD_WIDTH = 32
KEEP = 1.0
PATCH_PX = 8
DINOV2_WIDTH = 384


class UNet(nn.Module):
    """Estimate of the clean target (B, 3, H, W) in [-1, 1].

    H and W are divisible by 2 for each level below the first, and by 8 where the tokens are patches.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        base, width, blocks = settings.base_channels, settings.token_width, settings.res_blocks
        channels = [base * multiplier for multiplier in settings.channel_multipliers]
        embedding = base
        self.time = TimeEmbedding(base, embedding)
        self.direction = PoseEmbedding(embedding)
        self.pose_tokens = PoseTokens(settings.pose_tokens, width)
        self.image_tokens: nn.Module = nn.Linear(DINOV2_WIDTH, width)
        if settings.image_tokens == "patches":
            self.image_tokens = PatchTokens(width)

        fold = settings.patch_size
        self.stem = nn.Sequential(nn.PixelUnshuffle(fold), nn.Conv2d(6 * fold**2, base, 3, padding=1))
        narrower = [base, *channels[:-1]]
        self.down = nn.ModuleList(Level(n, c, blocks, embedding) for n, c in zip(narrower, channels, strict=True))
        self.shrink = nn.ModuleList(nn.Conv2d(c, c, 3, stride=2, padding=1) for c in channels[:-1])
        self.middle = Bottleneck(channels[-1], embedding, width)
        self.up = nn.ModuleList(Level(2 * c, c, blocks, embedding) for c in channels)
        self.enlarge = nn.ModuleList(
            nn.Conv2d(c, n, 3, padding=1) for n, c in zip(channels[:-1], channels[1:], strict=True)
        )
        last = zeroed(nn.Conv2d(channels[0], 4 * fold**2, 3, padding=1))
        self.out = nn.Sequential(norm(channels[0]), nn.SiLU(), last, nn.PixelShuffle(fold))

    def forward(self, noisy: Tensor, picture: Tensor, time: Tensor, pose: Tensor, tokens: Tensor | None) -> Tensor:
        """Args:
        noisy: target with noise (B, 3, H, W).
        picture: input picture (B, 3, H, W) in [-1, 1].
        time: noise level (B,) in [0, 1].
        pose: the view relative to the input (B, 15).
        tokens: DINOv2 tokens of the input (B, N, 384); None where the tokens are patches of it.
        """
        embedded = F.silu(self.time(time) + self.direction(pose))
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
        for level, blocks in reversed(list(enumerate(self.up))):
            if level < len(self.enlarge):
                x = self.enlarge[level](F.interpolate(x, scale_factor=2.0, mode="nearest"))
            x = blocks(torch.cat([x, skips[level]], dim=1), embedded)
        colour, keep = self.out(x).split([3, 1], dim=1)
        return torch.lerp(colour, picture, torch.sigmoid(keep + KEEP))


class Level(nn.Module):
    """Residual blocks at one resolution."""

    def __init__(self, channels_in: int, channels: int, blocks: int, embedding: int) -> None:
        super().__init__()
        widths = [channels_in] + [channels] * (blocks - 1)
        self.blocks = nn.ModuleList(ResBlock(width, channels, embedding) for width in widths)

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, embedded)
        return x


class ResBlock(nn.Module):
    """Two convolutions; time and pose scale and shift what lies between them (Perez et al., FiLM, 2018)."""

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
    """Residual block, self-attention, cross-attention."""

    def __init__(self, channels: int, embedding: int, token_width: int) -> None:
        super().__init__()
        self.before = ResBlock(channels, channels, embedding)
        self.itself = Attention(channels, channels)
        self.others = Attention(channels, token_width)

    def forward(self, x: Tensor, embedded: Tensor, context: Tensor) -> Tensor:
        x = self.before(x, embedded)
        batch, channels, height, width = x.shape
        queries = x.flatten(2).transpose(1, 2)
        queries = queries + grid_positions(height, width, channels, x.device)
        queries = self.itself(queries, queries)
        queries = self.others(queries, context)
        return queries.transpose(1, 2).reshape(batch, channels, height, width)


class Attention(nn.Module):
    """Multi-head attention of (B, N, channels) to (B, M, context_width), added to what attends."""

    def __init__(self, channels: int, context_width: int) -> None:
        super().__init__()
        self.heads = max(1, channels // HEAD_WIDTH)
        self.norm = nn.LayerNorm(channels)
        self.context_norm = nn.LayerNorm(context_width)
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(context_width, 2 * channels)
        self.out = zeroed(nn.Linear(channels, channels))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        query = self.query(self.norm(x))
        key, value = self.key_value(self.context_norm(context)).chunk(2, dim=-1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, key, value))
        attended = F.scaled_dot_product_attention(query, key, value)
        return x + self.out(attended.transpose(1, 2).flatten(2))


class TimeEmbedding(nn.Module):
    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.features = features
        self.mlp = nn.Sequential(nn.Linear(features, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, time: Tensor) -> Tensor:
        return self.mlp(sinusoids(1000 * time, self.features))


class PoseEmbedding(nn.Sequential):
    """(B, 15) → (B, width), added to the time embedding, so that every residual block knows the pose."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(POSE_SIZE, width), nn.SiLU(), nn.Linear(width, width))


class PoseTokens(nn.Module):
    """(B, 15) → (B, tokens, width)."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.mlp = nn.Sequential(nn.Linear(POSE_SIZE, width), nn.SiLU(), nn.Linear(width, tokens * width))

    def forward(self, pose: Tensor) -> Tensor:
        return self.mlp(pose).unflatten(-1, (self.tokens, -1))


class PatchTokens(nn.Module):
    """(B, 3, H, W) → (B, H/8 · W/8, width), each with its place in the picture."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, width, PATCH_PX, stride=PATCH_PX)

    def forward(self, picture: Tensor) -> Tensor:
        grid = self.embed(picture)
        return grid.flatten(2).transpose(1, 2) + grid_positions(*grid.shape[2:], grid.shape[1], grid.device)


def norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(8, channels), channels)


def zeroed(layer: nn.Conv2d | nn.Linear):
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def sinusoids(positions: Tensor, features: int) -> Tensor:
    """(N,) → (N, features): cosines and sines of geometrically spaced frequencies (Vaswani et al. 2017)."""
    half = features // 2
    frequencies = torch.exp(-math.log(10_000) * torch.arange(half, device=positions.device) / half)
    angles = positions[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def grid_positions(height: int, width: int, features: int, device: torch.device) -> Tensor:
    """(height · width, features): half of the features tell the row, half the column."""
    rows = sinusoids(torch.arange(height, device=device), features // 2)
    columns = sinusoids(torch.arange(width, device=device), features // 2)
    rows = rows[:, None].expand(height, width, -1)
    columns = columns[None].expand(height, width, -1)
    return torch.cat([rows, columns], dim=-1).flatten(0, 1)
