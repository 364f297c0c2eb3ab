"""Pictures with a mask each, small enough to compare all with all."""

from __future__ import annotations

import torch
from torch import Tensor

SIDE = 64  # pixels, of both
PICTURES_NDIM = 4
MOST_REGIONS = 8  # classes of a mask; higher ones count as one


def masked_pictures(pictures: Tensor, targets: Tensor) -> tuple[Tensor, Tensor] | None:
    """(N, C, S, S) and shares of each class's area (N, K, S, S); None where the targets are no masks of them."""
    if pictures.ndim != PICTURES_NDIM or not pictures.is_floating_point() or pictures.shape[2:] != targets.shape[-2:]:
        return None
    found = regions(targets)
    if found is None:
        return None
    small = torch.nn.functional.adaptive_avg_pool2d
    return small(pictures.float(), SIDE), small(found, SIDE)


def regions(target: Tensor) -> Tensor | None:
    """(N, K, H, W) truth of each class, of whole numbers (N, H, W), or of one channel between 0 and 1; else None."""
    masks = target[:, 0] if target.ndim == PICTURES_NDIM and target.shape[1] == 1 else target
    if masks.ndim != PICTURES_NDIM - 1:
        return None
    if masks.is_floating_point():
        inside = bool(((masks >= 0) & (masks <= 1)).all())
        return torch.stack([1 - masks, masks], 1).float() if inside else None
    classes = masks.long().clamp(0, MOST_REGIONS - 1)
    return torch.nn.functional.one_hot(classes, MOST_REGIONS).movedim(-1, 1).float()
