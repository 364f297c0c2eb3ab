"""The point encoder of Michelangelo (Zhao et al. 2023), so that its published weights can be loaded. Frozen.

Its parameters have the names and shapes of that release; the code is written from the paper and from the tensors.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from experiments.cad_mllm.settings import PointEncoder

OCTAVES = 8  # of each coordinate; the lowest has the wavelength 2π
NORMAL = 3
EMBEDDED = 3 * (2 * OCTAVES + 1) + NORMAL


class Michelangelo(nn.Module):
    """`latents` queries and one for the whole shape attend to the cloud, then to each other.

    As published: 256 latents of width 768, 12 heads, 8 layers; clouds of 4,096 points in [-1, 1] with normals.
    """

    def __init__(self, settings: PointEncoder) -> None:
        super().__init__()
        width, heads = settings.width, settings.heads
        self.width = width
        self.query = nn.Parameter(0.02 * torch.randn(settings.latents + 1, width))
        self.input_proj = nn.Linear(EMBEDDED, width)
        self.cross_attn = Look(width, heads)
        self.self_attn = nn.ModuleDict(
            {"resblocks": nn.ModuleList(Think(width, heads) for _ in range(settings.layers))}
        )
        self.ln_post = nn.LayerNorm(width)

    def forward(self, cloud: Tensor) -> Tensor:
        """(B, N, 6) positions and normals → (B, latents + 1, width); the first is the whole shape's."""
        features = self.input_proj(embedded(cloud).to(self.query.dtype))
        latents = self.cross_attn(self.query.expand(len(cloud), -1, -1), features)
        for block in self.self_attn["resblocks"]:
            latents = block(latents)
        return self.ln_post(latents)


class Look(nn.Module):
    """Cross-attention and an MLP, both on normalised inputs and with their residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        parts = {"c_q": width, "c_kv": 2 * width}
        self.attn = nn.ModuleDict({name: nn.Linear(width, out, bias=False) for name, out in parts.items()})
        self.attn["c_proj"] = nn.Linear(width, width)
        self.ln_1, self.ln_2, self.ln_3 = (nn.LayerNorm(width) for _ in range(3))
        self.mlp = mlp(width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """(B, M, width) and (B, N, width) → (B, M, width)."""
        query = by_head(self.attn["c_q"](self.ln_1(x)), self.heads)
        key, value = by_head(self.attn["c_kv"](self.ln_2(context)), self.heads).chunk(2, -1)
        x = x + self.attn["c_proj"](attended(query, key, value))
        return x + run_mlp(self.mlp, self.ln_3(x))


class Think(nn.Module):
    """The same among the latents."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attn = nn.ModuleDict({"c_qkv": nn.Linear(width, 3 * width, bias=False), "c_proj": nn.Linear(width, width)})
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, M, width) → (B, M, width)."""
        query, key, value = by_head(self.attn["c_qkv"](self.ln_1(x)), self.heads).chunk(3, -1)
        x = x + self.attn["c_proj"](attended(query, key, value))
        return x + run_mlp(self.mlp, self.ln_2(x))


def embedded(cloud: Tensor) -> Tensor:
    """(…, 6) → (…, EMBEDDED): positions, sines, cosines, normals; of each coordinate all octaves in a row."""
    places, normals = cloud[..., :3], cloud[..., 3:]
    waves = (places[..., None] * 2.0 ** torch.arange(OCTAVES, device=cloud.device, dtype=cloud.dtype)).flatten(-2)
    return torch.cat([places, waves.sin(), waves.cos(), normals], -1)


def by_head(x: Tensor, heads: int) -> Tensor:
    """(B, N, heads · C) → (B, heads, N, C): queries, keys and values of one head lie side by side."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def attended(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(B, heads, …) → (B, N, width)."""
    return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


def mlp(width: int) -> nn.ModuleDict:
    return nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})


def run_mlp(parts: nn.ModuleDict, x: Tensor) -> Tensor:
    hidden: Tensor = parts["c_proj"](F.gelu(parts["c_fc"](x)))
    return hidden
