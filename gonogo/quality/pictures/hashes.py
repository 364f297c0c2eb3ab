"""Hashes of pictures that survive another encoding.

The hash for near duplicates holds 128 comparisons of neighbouring cells of an 8×8 grid, across and down (Krawetz, Kind
of Like That, 2013, in both directions), and the colours of the four quarters: comparisons alone take one clear sky for
another. `gonogo.quality.near_duplicates` says how far apart two of them may be.
"""

from __future__ import annotations

import cv2
import numpy as np

STEP = 1  # levels by which neighbouring cells must differ, so that noise on flat ground turns no comparison
TELLING_STEP, TELLING = 2, 24  # a picture is described by its hash where so many comparisons are beyond so many levels


def _cells(count: int) -> np.ndarray:
    """(count, 32): weights by which 32 values become the means of `count` cells of equal width."""
    edges = np.linspace(0, 32, count + 1)
    overlap = np.minimum(edges[1:, None], np.arange(1, 33)) - np.maximum(edges[:-1, None], np.arange(32))
    return (overlap.clip(0) * count / 32).astype(np.float32)


# of rows or columns, and neighbours' differences; all are whole multiples of 1/32, so that sums over levels are exact
EIGHTHS, NINTHS = _cells(8), _cells(9)
NINTHS_APART = np.diff(NINTHS, axis=0)


def near_hashes(thumbnails: np.ndarray) -> list[str]:
    """Hex digits that differ in few bits for pictures that look the same; empty for one with too little in it.

    Args:
        thumbnails: (N, 32, 32, 3) BGR, levels 0-255.
    """
    greys = grey_thumbnails(thumbnails).astype(np.float32)
    steps = np.concatenate([EIGHTHS @ (greys @ NINTHS_APART.T), NINTHS_APART @ (greys @ EIGHTHS.T)], axis=1)
    telling = np.count_nonzero(np.abs(steps) > TELLING_STEP, axis=(1, 2)) >= TELLING
    comparisons = np.packbits((steps > STEP).reshape(len(steps), -1), axis=1)
    quarters = cv2.resize(thumbnails.reshape(-1, 32, 3), (2, 2 * len(steps)), interpolation=cv2.INTER_AREA)
    colours = quarters.reshape(len(steps), -1)
    return [
        bits.tobytes().hex() + colour.tobytes().hex()[::2] if tells else ""
        for bits, colour, tells in zip(comparisons, colours, telling.tolist(), strict=True)
    ]


def near_hash(thumbnail: np.ndarray) -> str:
    """`near_hashes` of one (32, 32, 3)."""
    return near_hashes(thumbnail[None])[0]


def difference_hashes(thumbnails: np.ndarray) -> list[str]:
    """64-bit difference hashes in hex: which of 9×8 cells are brighter than those to their left.

    Args:
        thumbnails: as of `near_hashes`.
    """
    cells = np.rint(EIGHTHS @ (grey_thumbnails(thumbnails).astype(np.float32) @ NINTHS.T))
    return [bits.tobytes().hex() for bits in np.packbits((cells[..., 1:] > cells[..., :-1]).reshape(-1, 64), axis=1)]


def grey_thumbnails(thumbnails: np.ndarray) -> np.ndarray:
    """(N, 32, 32) uint8 luma of (N, 32, 32, 3) BGR."""
    return cv2.cvtColor(thumbnails.reshape(-1, 32, 3), cv2.COLOR_BGR2GRAY).reshape(-1, 32, 32)
