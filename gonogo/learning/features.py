"""Samples as short vectors: small enough to compare all with all, faithful enough to tell copies from neighbours."""

from __future__ import annotations

import hashlib
import math
from itertools import pairwise

import torch
from torch import Tensor

SIDE = 16  # of a thumbnail
WIDEST = 512  # numbers of a vector; longer ones are projected
GRID_SIDE = 4  # from which the last axes are taken for space or time
BANDS = 8  # of a spectrum, each of as many octaves
SHORTEST = 64  # values along the last axis, below which a signal has no spectrum to speak of


def content_hash(*tensors: Tensor) -> bytes:
    """16 bytes that two samples share only if they are the same to the bit."""
    found = hashlib.blake2b(digest_size=16)
    for tensor in tensors:
        found.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.digest()


def row_hashes(*tensors: Tensor) -> list[bytes]:
    """`content_hash` of each sample of tensors (N, …), without a tensor for each: hundreds of times in a batch."""
    with torch._C.DisableTorchFunction():
        rows = [tensor.detach().cpu().reshape(len(tensor), math.prod(tensor.shape[1:])) for tensor in tensors]
        arrays = [one.contiguous().view(torch.uint8).numpy() for one in rows]
    heads = [f"{tensor.dtype}{tuple(tensor.shape[1:])}".encode() for tensor in tensors]
    found = []
    for index in range(len(tensors[0])):
        digest = hashlib.blake2b(digest_size=16)
        for head, array in zip(heads, arrays, strict=True):
            digest.update(head)
            digest.update(array[index].tobytes())
        found.append(digest.digest())
    return found


def is_grid(values: Tensor) -> bool:
    """Whether samples (N, …) have axes of space or time: pictures, volumes, signals of several channels."""
    return values.ndim >= 3 and values.shape[-1] >= GRID_SIDE


def vectors(values: Tensor) -> Tensor:
    """(N, …) of any kind → (N, D) float32: thumbnails of pictures, else the values, projected where they are many.

    The projection's signs are random and always the same; it keeps distances within a few percent (Johnson and
    Lindenstrauss 1984).
    """
    return _projected(_thumbnails(values))


def turned(inputs: Tensor, targets: Tensor) -> list[Tensor]:
    """Pictures (N, C, H, W) turned and mirrored, each with its target, as (N, D) of both; of others nothing.

    A target that is a picture too is turned with its input; any other stays.
    """
    if inputs.ndim < 4 or not is_grid(inputs):
        return []
    x, y = _thumbnails(inputs), _thumbnails(targets)
    both = is_grid(targets) and x.shape[-2:] == y.shape[-2:]
    ways = [(part, mirrored) for part in (False, True) for mirrored in ((), (-1,), (-2,), (-2, -1))][1:]
    if x.shape[-1] != x.shape[-2]:
        ways = ways[:3]
    found = []
    for across, axes in ways:
        parts = [_turned(x, across, axes), _turned(y, across, axes) if both else y]
        found.append(torch.cat([_projected(part) for part in parts], 1))
    return found


def _turned(values: Tensor, across: bool, axes: tuple[int, ...]) -> Tensor:
    return (values.transpose(-1, -2) if across else values).flip(axes)


def _thumbnails(values: Tensor) -> Tensor:
    """Pictures and signals with SIDE values a side at most; others as they are; float32."""
    values = values.detach().float().cpu()
    if not is_grid(values):
        return values
    sides = (min(SIDE, values.shape[-2]), min(SIDE, values.shape[-1]))
    small = torch.nn.functional.adaptive_avg_pool2d(values.reshape(len(values), -1, *values.shape[-2:]), sides)
    return small.reshape(len(values), *values.shape[1:-2], *sides)


def _projected(values: Tensor) -> Tensor:
    flat = values.reshape(len(values), -1)
    if flat.shape[1] > WIDEST:
        signs = torch.randn(flat.shape[1], WIDEST // 2, generator=torch.Generator().manual_seed(0))
        flat = flat @ signs / (WIDEST // 2) ** 0.5
    return flat


def spectra(values: Tensor) -> Tensor | None:
    """Signals (N, C, T) → (N, C · BANDS) float32, the logarithm of each channel's power by band; None for others.

    What a rhythm says, be it strong or fast, is the same wherever in its course a window begins; `vectors` of two such
    windows have nothing in common.
    """
    if values.ndim != 3 or values.shape[-1] < SHORTEST:
        return None
    signals = values.detach().float().cpu()
    power = torch.fft.rfft(signals - signals.mean(-1, keepdim=True)).abs().square()[..., 1:]
    edges = torch.logspace(0, 1, BANDS + 1, base=power.shape[-1]).round().long() - 1
    edges[-1] += 1
    bands = [power[..., low : max(high, low + 1)].mean(-1) for low, high in pairwise(edges.tolist())]
    found = torch.stack(bands, -1).flatten(1)
    return torch.log(found + 1e-6 * found.mean() + 1e-30)


def autocorrelation(values: Tensor) -> float | None:
    """Lag-1 autocorrelation along the last axis, median over samples; near 0: noise. None: no axis of space or time."""
    if not is_grid(values):
        return None
    rows = values.detach().float().cpu().flatten(1, -2)
    variance = rows.var(dim=(1, 2))
    lag = (rows[..., 1:] - rows[..., :-1]).square().mean(dim=(1, 2))
    found = (1 - lag / (2 * variance))[variance > 0]
    found = found[torch.isfinite(found)]
    return float(found.median()) if len(found) else None
