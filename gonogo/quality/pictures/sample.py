"""What is taken of a picture's pixels, once, while they are at hand: little enough to be kept for many pictures."""

from __future__ import annotations

import functools
from typing import NamedTuple

import cv2
import numpy as np

FEW_ROWS = 128  # below, every row is measured
ROW_STEP = 5  # above, one row in five is measured for the levels, three in five for the structure
POINTS, THUMBNAIL = (64, 64), (32, 32)
MANY_PIXELS = 384  # a shorter side from which a picture is halved before points are taken
BORDER_POINTS = 32  # on each side
STORED_ROWS, STORED_COLUMNS = 6, 128  # at most, of what is kept as it is stored


class Sample(NamedTuple):
    """Of one picture; luma is Rec. 601, 0-255."""

    levels: np.ndarray  # (256,) float32, how many pixels of the measured rows have each luma
    steps_1: tuple[float, float]  # mean square difference of luma at lag 1, along the rows and down the columns
    steps_2: tuple[float, float]  # the same at lag 2
    steps_8: tuple[float, float]  # the same at lag 8
    laplacian: tuple[float, float]  # mean and mean square of the four neighbours' sum less four times the pixel
    # (256,) float32, how many pixels have each |response| to Immerkær's kernel, all above 255 as 255
    responses: np.ndarray
    row_jumps: np.ndarray  # (H - 1,) float32, mean absolute difference of each row of luma from the next
    column_jumps: np.ndarray  # (W - 1,) float32, of each column
    border: np.ndarray  # (128, 3) uint8 BGR, pixels along the four sides
    points: np.ndarray  # uint8 BGR, the picture at 64×64 or, where it is smaller, as it is
    thumbnail: np.ndarray  # (32, 32, 3) uint8 BGR
    rows: np.ndarray  # (n, w, 3) uint8 BGR, some rows as they are stored, the middle of each


def take_sample(bgr: np.ndarray) -> Sample:
    """Of a (H, W, 3) uint8 BGR picture of at least 16×16 pixels."""
    height, width = bgr.shape[:2]
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    step = 1 if height < FEW_ROWS else ROW_STEP
    first = step // 2
    level = np.ascontiguousarray(grey[first::step])
    neighbours = grey.take(_side_by_side(height, step), axis=0)
    laplacian, responses = _structure(neighbours.astype(np.int16))
    points = _points(bgr)
    return Sample(
        levels=_histogram(level),
        steps_1=(_mean_square(level[:, 1:], level[:, :-1]), _mean_square(neighbours[0], neighbours[1])),
        steps_2=(_mean_square(level[:, 2:], level[:, :-2]), _mean_square(neighbours[0], neighbours[2])),
        steps_8=(_mean_square(level[:, 8:], level[:, :-8]), _mean_square(grey[first:-8:step], grey[first + 8 :: step])),
        laplacian=laplacian,
        responses=responses,
        row_jumps=cv2.reduce(cv2.absdiff(grey[1:], grey[:-1]), 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel(),
        column_jumps=cv2.reduce(cv2.absdiff(grey[:, 1:], grey[:, :-1]), 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel(),
        border=bgr.reshape(-1, 3).take(_along_border(height, width), axis=0),
        points=points,
        thumbnail=cv2.resize(points, THUMBNAIL, interpolation=cv2.INTER_AREA),
        rows=_stored_rows(bgr),
    )


def _stored_rows(bgr: np.ndarray) -> np.ndarray:
    height, width = bgr.shape[:2]
    start = max(width - STORED_COLUMNS, 0) // 2
    return bgr[_evenly(height), start : start + STORED_COLUMNS]


@functools.lru_cache(maxsize=256)
def _evenly(height: int) -> np.ndarray:
    return np.linspace(0, height - 1, STORED_ROWS + 2).astype(int)[1:-1]


@functools.lru_cache(maxsize=256)
def _side_by_side(height: int, step: int) -> np.ndarray:
    """(3, n) rows: three neighbours somewhere in every `step`, or everywhere.

    Where in the step is left to chance, the same for all pictures of a height: at equal distances they would fall in
    step with the blocks of JPEG, or with the pattern that enlarging leaves.
    """
    above = np.arange(0, height - 2, step)
    if step > 1:
        above += np.random.default_rng(0).integers(0, np.minimum(step - 2, height - 2 - above))
    return np.stack([above, above + 1, above + 2])


@functools.lru_cache(maxsize=256)
def _along_border(height: int, width: int) -> np.ndarray:
    """(128,) places in the flattened picture: as many on each side, at equal distances."""
    across = np.linspace(0, width - 1, BORDER_POINTS).astype(int)
    down = np.linspace(0, height - 1, BORDER_POINTS).astype(int) * width
    return np.concatenate([across, across + (height - 1) * width, down, down + width - 1])


def _points(bgr: np.ndarray) -> np.ndarray:
    height, width = bgr.shape[:2]
    while min(height, width) >= MANY_PIXELS:
        height, width = height // 2, width // 2
        bgr = cv2.resize(bgr[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    if min(height, width) > POINTS[0]:
        return cv2.resize(bgr, POINTS, interpolation=cv2.INTER_LINEAR)
    return bgr.copy()  # a view would keep what it is taken from


def _histogram(grey: np.ndarray) -> np.ndarray:
    return cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel()


def _mean_square(first: np.ndarray, second: np.ndarray) -> float:
    return cv2.norm(first, second, cv2.NORM_L2SQR) / first.size


def _structure(neighbours: np.ndarray) -> tuple[tuple[float, float], np.ndarray]:
    """`laplacian` and `responses` of rows (3, n, W) int16, each above its neighbours.

    Both kernels are made of second differences: the Laplacian is their sum along columns and rows, Immerkær's the one
    of the other. Taken along the flattened rows, which is fast; what runs over a row's end is cut off.
    """
    above, middle, below = neighbours
    down = above + below
    down -= middle
    down -= middle
    across = _second_difference(middle)
    across.ravel()[:-2] += down.ravel()[1:-1]
    laplacian = across[:, :-2]
    moments = cv2.sumElems(laplacian)[0] / laplacian.size, cv2.norm(laplacian, cv2.NORM_L2SQR) / laplacian.size
    return moments, _histogram(cv2.convertScaleAbs(_second_difference(down)[:, :-2]))


def _second_difference(rows: np.ndarray) -> np.ndarray:
    """(n, W) int16: x - 2 x' + x'' of each value and the two that follow; nothing of use in the last two columns."""
    flat, result = rows.ravel(), np.empty(rows.size, np.int16)
    first = flat[1:] - flat[:-1]
    np.subtract(first[1:], first[:-1], out=result[:-2])
    return result.reshape(rows.shape)
