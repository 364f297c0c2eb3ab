"""What goes wrong along whole rows and columns of a picture: lines lost, lines repeated, blocks with edges."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

BLOCK = 8  # pixels, of JPEG
TILES = (4, 8)  # across a picture
SEAM_RATIO = 2.5  # a seam's jump against those 2 and 3 lines away
FLOOR = 1.5  # luma added to what is compared, so that smooth pictures have no seams
NEARBY = np.array([[1, 1, 0, 0, 0, 1, 1]], np.float32) / 4


class Lines(NamedTuple):
    """Of rows or of columns, whichever shows more.

    Attributes:
        repeated_lines: share of lines that are the line before, to the bit.
        seams: share of neighbouring lines that differ SEAM_RATIO times as much as those 2 and 3 lines away.
        blocks: how much more neighbouring lines differ along a grid than those 2 and 3 lines away: the median over the
            grid's lines, the lesser of rows and columns, of three grids the one that shows most. 1 without blocks.
    """

    repeated_lines: float
    seams: float
    blocks: float


def lines(grey: np.ndarray) -> Lines:
    """Of a (H, W) uint8 picture of at least 16×16 pixels."""
    rows = cv2.reduce(cv2.absdiff(grey[1:], grey[:-1]), 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F)
    columns = cv2.reduce(cv2.absdiff(grey[:, 1:], grey[:, :-1]), 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F)
    jumps = rows.reshape(1, -1), columns  # (1, n): mean absolute difference of each line from the next
    excesses = [_excess(along) for along in jumps]
    return Lines(
        repeated_lines=max(1 - cv2.countNonZero(along) / along.size for along in jumps),
        seams=max(np.count_nonzero(excess > SEAM_RATIO) / excess.size for excess in excesses),
        blocks=max(min(_along_grid(excess, divisor) for excess in excesses) for divisor in (None, *TILES)),
    )


def _excess(jumps: np.ndarray) -> np.ndarray:
    """Each jump over those near by (n,)."""
    nearby = cv2.filter2D(jumps, -1, NEARBY, delta=FLOOR, borderType=cv2.BORDER_REPLICATE)
    return ((jumps + np.float32(FLOOR)) / nearby)[0]


def _along_grid(excess: np.ndarray, tiles: int | None) -> float:
    """The median (the lower one of two) along the lines of so many tiles; None: of JPEG's blocks."""
    step = (excess.size + 1) // tiles if tiles else BLOCK
    values = sorted(excess[step - 1 :: step].tolist())
    return values[(len(values) - 1) // 2]
