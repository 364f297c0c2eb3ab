"""Parts of a picture that are of one colour and end at a straight cut, as where it was never written."""

from __future__ import annotations

import numpy as np

ONE_COLOUR = 6  # levels within which a part lies
CUT_LEVELS, CUT_SHARE = 12, 0.6  # by so much so many pixels differ from it beyond the cut
SIDES = ("top", "bottom", "left", "right")
QUARTERS = ("top left", "top right", "bottom left", "bottom right")
LEAST_QUARTER = 0.44  # of the side, of a part that is called a quarter
LEAST_MARGIN = 0.1  # of the side


def has_plain_side(border: np.ndarray) -> np.ndarray:
    """Whether half of one side at least is of one colour, of each picture's pixels (N, 128, 3) along its sides."""
    brightest = darkest = border.reshape(len(border), 8, -1)
    while brightest.shape[2] > 3:  # halved until one colour is left, which is ten times as fast as a reduction
        middle = brightest.shape[2] // 2
        brightest = np.maximum(brightest[..., :middle], brightest[..., middle:])
        darkest = np.minimum(darkest[..., :middle], darkest[..., middle:])
    return (brightest - darkest <= ONE_COLOUR).all(axis=2).any(axis=1)


def cut(luma: np.ndarray) -> tuple[str, float]:
    """Side and share of the part that a picture (h, w) uint8 has lost; an empty side for none.

    What is alike on two opposite sides, as in a letterbox, is no loss.
    """
    luma = luma.astype(np.int16)
    rows, columns = ((view, view.min(axis=1), view.max(axis=1)) for view in (luma, luma.T))
    found = [_margin(*(part[::way] for part in lines)) for lines in (rows, columns) for way in (1, -1)]
    margins = [share for share, _ in found]
    lost = [
        share if straight and margins[at ^ 1] <= share / 2 and share >= LEAST_MARGIN else 0.0
        for at, (share, straight) in enumerate(found)
    ]
    if any(lost):
        return SIDES[int(np.argmax(lost))], round(max(lost), 4)
    quarters = [name for name, view in zip(QUARTERS, _corners(luma), strict=True) if _is_lost(view)]
    return (quarters[0], 0.25) if len(quarters) == 1 else ("", 0.0)


def _margin(luma: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[float, bool]:
    """Share of rows from the first that are of one colour, and whether they end at a cut.

    Args:
        low, high: least and greatest of each row.
    """
    if high[0] - low[0] > ONE_COLOUR:
        return 0.0, False
    alike = (high - low <= ONE_COLOUR) & (np.abs(low - low[0]) <= ONE_COLOUR)
    if alike.all():
        return 1.0, False
    end = int(alike.argmin())
    beyond = luma[min(end + 1, len(luma) - 1)]
    return end / len(luma), float((np.abs(beyond - low[0]) > CUT_LEVELS).mean()) >= CUT_SHARE


def _corners(luma: np.ndarray) -> list[np.ndarray]:
    """The picture turned so that each of `QUARTERS` comes first."""
    return [luma, luma[:, ::-1], luma[::-1], luma[::-1, ::-1]]


def _is_lost(luma: np.ndarray) -> bool:
    """Whether the first quarter is of one colour and ends at cuts on both sides."""
    height, width = luma.shape
    rows, columns = int(height * LEAST_QUARTER), int(width * LEAST_QUARTER)
    first = int(luma[0, 0])
    if any(abs(int(luma[at]) - first) > ONE_COLOUR for at in ((rows // 2, columns // 2), (rows - 1, columns - 1))):
        return False  # of most pictures, and quickly
    part = luma[:rows, :columns]
    if int(part.max()) - int(part.min()) > ONE_COLOUR:
        return False
    beyond = (luma[:rows, min(width // 2 + 1, width - 1)], luma[min(height // 2 + 1, height - 1), :columns])
    return all(float((np.abs(line - part.min()) > CUT_LEVELS).mean()) >= CUT_SHARE for line in beyond)
