"""Frozen encoders: a point cloud or a picture into a few tokens that the projectors translate."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from experiments.cad_mllm.settings import ImageEncoder, PointEncoder
from gonogo import Asset, UserError

FREQUENCIES = 4  # octaves of sines and cosines of each coordinate
FEATURES = 6  # of a point: position and normal
EMBEDDED = 3 * (2 * FREQUENCIES + 1) + 3
SHARPNESS = 12.0  # of a latent's attention to the cloud, where its weights are fixed


class Attention(nn.Module):
    """Multi-head attention of `x` to `context`, then an MLP, each with its residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_x, self.norm_context, self.norm_mlp = (nn.LayerNorm(width) for _ in range(3))
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """(B, N, width) and (B, M, width) → (B, N, width)."""
        context = self.norm_context(context)
        asked, keys, values = self.query(self.norm_x(x)), self.key(context), self.value(context)
        split = [part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (asked, keys, values)]
        x = x + self.out(F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm_mlp(x))


class Perceiver(nn.Module):
    """Latents that each attend to the whole cloud (Jaegle et al. 2021), as in encoders of shapes.

    Trained weights define all of it. Without them the first attention is fixed: each latent looks in one direction and
    sees the points that lie furthest there, so that together they encode the outline.
    """

    def __init__(self, settings: PointEncoder) -> None:
        super().__init__()
        self.settings = settings
        self.by_hand = settings.weights is None
        if self.by_hand:
            self.width = EMBEDDED
            self.register_buffer("directions", _directions(settings.latents), persistent=False)
            return
        self.width = settings.width
        self.latents = nn.Parameter(torch.randn(settings.latents, settings.width) / math.sqrt(settings.width))
        self.embed = nn.Linear(EMBEDDED, settings.width)
        self.look = Attention(settings.width, settings.heads)
        self.think = nn.ModuleList(Attention(settings.width, settings.heads) for _ in range(settings.layers))

    def forward(self, cloud: Tensor) -> Tensor:
        """(B, N, 6) positions and normals → (B, latents, width)."""
        features = embedded(cloud)
        if self.by_hand:
            weight = (SHARPNESS * self.directions.to(cloud) @ cloud[..., :3].transpose(1, 2)).softmax(-1)
            return weight @ features
        latents = self.look(self.latents.expand(len(cloud), -1, -1), self.embed(features))
        for layer in self.think:
            latents = layer(latents, latents)
        return latents


class Patches(nn.Module):
    """Square patches of a picture: their cosine transform, or embedded by trained weights."""

    def __init__(self, settings: ImageEncoder, size: int) -> None:
        super().__init__()
        self.settings, self.width = settings, settings.width
        self.count = (size // settings.patch) ** 2
        self.by_hand = settings.weights is None
        if self.by_hand:
            self.register_buffer("waves", _waves(settings.patch, settings.width), persistent=False)
            return
        self.embed = nn.Linear(settings.patch**2, settings.width)
        self.place = nn.Parameter(torch.zeros(self.count, settings.width))
        self.think = nn.ModuleList(Attention(settings.width, settings.heads) for _ in range(settings.layers))

    def forward(self, picture: Tensor) -> Tensor:
        """(B, 1, S, S) in [0, 1] → (B, patches, width)."""
        patches = F.unfold(picture, self.settings.patch, stride=self.settings.patch).transpose(1, 2)
        if self.by_hand:
            return patches @ self.waves.to(picture)
        tokens = self.embed(patches) + self.place
        for layer in self.think:
            tokens = layer(tokens, tokens)
        return tokens


def embedded(cloud: Tensor) -> Tensor:
    """(…, 6) → (…, EMBEDDED): positions, their sines and cosines by octaves, normals."""
    places, normals = cloud[..., :3], cloud[..., 3:]
    octaves = math.pi * 2.0 ** torch.arange(FREQUENCIES, device=cloud.device, dtype=cloud.dtype)
    waves = (places[..., None] * octaves).flatten(-2)
    return torch.cat([places, waves.sin(), waves.cos(), normals], -1)


def load_encoder(encoder: nn.Module, asset: Asset | None, key: str) -> None:
    """Load trained weights into a frozen encoder, if any are named; from a larger model's file, its part of it.

    Raises:
        UserError: the file is missing, damaged, or belongs to another encoder; names its first wrong key.
    """
    if asset is None:
        return
    path, again = asset.check(key), f"Get it from {asset.source}"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        state = state.get("state_dict", state)
        found = part_of(state, encoder.state_dict())
    except Exception as error:  # torch may raise any exception on damaged bytes
        problem = str(error).splitlines()[0]
        raise UserError(f"{key}: {path}: not the state of this encoder ({problem}). {again}") from None
    if wrong := first_wrong(found, encoder.state_dict()):
        raise UserError(f"{key}: {path}: not the state of this encoder: {wrong}. {again}")
    encoder.load_state_dict({name: found[name] for name in encoder.state_dict()})


def part_of(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What is below the prefix that the encoder has in this state; all of it where it has none."""
    first = next(iter(own), "")
    found = next((name for name in state if name == first or name.endswith(f".{first}")), first)
    prefix = found.removesuffix(first)
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def first_wrong(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """The first key that is missing, of another shape or unknown, in words; empty: all are right."""
    for name, value in own.items():
        if name not in state:
            return f"it has no {name}"
        if state[name].shape != value.shape:
            return f"{name} is {tuple(state[name].shape)} in the file and {tuple(value.shape)} in the model"
    known = {name.partition(".")[0] for name in own}
    more = [name for name in state if name not in own and name.partition(".")[0] in known]
    return f"it also has {more[0]}" if more else ""


def _directions(count: int) -> Tensor:
    """(count, 3) of length 1: the six axes first, then evenly spread over the sphere (a golden spiral)."""
    axes = torch.cat([torch.eye(3), -torch.eye(3)])
    more = max(0, count - len(axes))
    height = 1 - 2 * (torch.arange(more) + 0.5) / max(more, 1)
    angle = math.pi * (1 + math.sqrt(5)) * torch.arange(more)
    flat = (1 - height.square()).sqrt()
    spiral = torch.stack([flat * angle.cos(), flat * angle.sin(), height], 1)
    return torch.cat([axes, spiral])[:count]


def _waves(patch: int, width: int) -> Tensor:
    """(patch², width): the smoothest waves of the two-dimensional cosine transform, each of length 1."""
    at = (torch.arange(patch) + 0.5) / patch
    lines = torch.stack([torch.cos(math.pi * k * at) for k in range(patch)])
    pairs = sorted(((i, j) for i in range(patch) for j in range(patch)), key=lambda pair: (sum(pair), pair))
    waves = torch.stack([torch.outer(lines[i], lines[j]).flatten() for i, j in pairs[:width]], 1)
    return F.pad(waves / waves.norm(dim=0), (0, max(0, width - patch**2)))
