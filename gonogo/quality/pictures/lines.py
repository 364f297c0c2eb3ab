"""What goes wrong along whole rows and columns of a picture: lines lost, lines repeated, blocks with edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

BLOCK = 8  # pixels, of JPEG
TILES = (4, 8)  # across a picture
SEAM_RATIO = 2.5  # a seam's jump against those 2 and 3 lines away
FLOOR = 1.5  # luma added to what is compared, so that smooth pictures have no seams
NEARBY = np.array([[1, 1, 0, 0, 0, 1, 1]], np.float32) / 4


class Lines(NamedTuple):
    """Of N pictures, (N,) each; of their rows or of their columns, whichever shows more."""

    repeated_lines: np.ndarray  # share of lines that are the line before, to the bit
    seams: np.ndarray  # share of neighbouring lines that differ SEAM_RATIO times as much as those 2 and 3 lines away
    # how much more neighbouring lines differ along a grid than those 2 and 3 lines away: the median over the grid's
    # lines, the lesser of rows and columns, of three grids the one that shows most. 1 without blocks.
    blocks: np.ndarray


def lines(rows: Sequence[np.ndarray], columns: Sequence[np.ndarray]) -> Lines:
    """By the jumps from each row to the next (H - 1,) and from each column (W - 1,), of each picture."""
    jumps = [*rows, *columns]
    measures = np.empty((len(jumps), 2 + 1 + len(TILES)))
    lengths = np.array([len(line) for line in jumps])
    for length in set(lengths.tolist()):
        (alike,) = np.nonzero(lengths == length)
        measures[alike] = _along(np.stack([jumps[at] for at in alike]))
    by_picture = measures.reshape(2, len(rows), -1)
    most, least = by_picture.max(axis=0), by_picture.min(axis=0)
    return Lines(most[:, 0], most[:, 1], least[:, 2:].max(axis=1))


def _along(jumps: np.ndarray) -> np.ndarray:
    """(n, 5) of jumps (n, L): share of repeated lines, of seams, and the blocks of each grid."""
    nearby = cv2.filter2D(jumps, -1, NEARBY, delta=FLOOR, borderType=cv2.BORDER_REPLICATE)
    excess = (jumps + np.float32(FLOOR)) / nearby
    length = jumps.shape[1]
    shares = [np.count_nonzero(which, axis=1) / length for which in (jumps == 0, excess > SEAM_RATIO)]
    steps = [BLOCK, *((length + 1) // tiles for tiles in TILES)]
    return np.stack([*shares, *(_lower_median(excess[:, step - 1 :: step]) for step in steps)], axis=1)


def _lower_median(values: np.ndarray) -> np.ndarray:
    """(n,) of (n, m)."""
    middle = (values.shape[1] - 1) // 2
    return np.partition(values, middle, axis=1)[:, middle]
