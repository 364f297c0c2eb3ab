"""Which colours a picture has, and whether another's are among them. From thumbnails alone."""

from __future__ import annotations

import cv2
import numpy as np

BINS = 16  # of each channel
NEIGHBOURS = np.ones((3, 1), np.uint8)  # colours within a bin of one that is there count as there
LEVELS_A_BIN = 256 // BINS
UNSEEN = 12  # levels: what is black, as beyond the edge of what was rendered, is no colour
MOST_GAIN = 4 / 3  # by which a channel of Y may be brighter or darker
LIGHT_FLOOR = 16.0  # luma²: light that hardly varies explains no chroma


def foreign_share(x: np.ndarray, y: np.ndarray) -> float:
    """Share of Y's points with a colour that X has not, nor any within 16 to 32 levels.

    As it is, or at X's exposure and white balance, whichever is less.

    Args:
        x, y: thumbnails (S, S, 3) uint8.
    """
    palette = _palette(x)
    seen = y.max(axis=2) > UNSEEN
    gains = [(own + 1) / (other + 1) for own, other in zip(cv2.mean(x)[:3], cv2.mean(y)[:3], strict=True)]
    balance = np.diag([min(max(gain, 1 / MOST_GAIN), MOST_GAIN) for gain in gains])
    shares = []
    for points in (y, cv2.transform(y, balance)):
        foreign = ~palette[tuple(np.moveaxis(points // LEVELS_A_BIN, 2, 0))] & seen
        shares.append(np.count_nonzero(foreign) / foreign.size)
    return min(shares)


def _palette(picture: np.ndarray) -> np.ndarray:
    """(BINS, BINS, BINS) bool: which colours are there, or next to one that is."""
    bins: np.ndarray = np.zeros((BINS, BINS, BINS), np.uint8)
    bins[tuple(np.moveaxis(picture // LEVELS_A_BIN, 2, 0))] = 1
    for _ in range(bins.ndim):  # along the first axis, which then becomes the last
        bins = cv2.dilate(bins.reshape(BINS, -1), NEIGHBOURS).reshape(bins.shape).transpose(1, 2, 0).copy()
    return bins.astype(bool)


def tints(picture: np.ndarray) -> float:
    """Root mean square chroma that light does not explain, levels: next to none in sepia, or any other single tint."""
    points = picture.reshape(-1, 3).astype(np.float32)
    light = points.mean(axis=1)
    chroma = points - light[:, None]
    chroma -= chroma.mean(axis=0)
    light -= light.mean()
    along = (light @ chroma) / (light @ light + LIGHT_FLOOR * len(light))
    return float(np.sqrt(np.square(chroma - light[:, None] * along).mean()))
