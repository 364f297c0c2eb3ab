"""How layout and colours of a picture relate to another's: the same, mirrored, inverted, channels exchanged?

From thumbnails alone, which costs microseconds. A camera that moves by up to some 50° leaves light and dark about where
they were; what turns pictures over or confuses channels does not.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

LAYOUT_SIDE, COLOUR_SIDE = 16, 8  # pixels
TO_GREY = np.full((1, 3), 1 / 3, np.float32)
PLACES = np.arange(LAYOUT_SIDE * LAYOUT_SIDE).reshape(LAYOUT_SIDE, LAYOUT_SIDE)
TURNS = np.stack([PLACES, PLACES[:, ::-1], PLACES[::-1], PLACES[::-1, ::-1]])
TURNS = np.concatenate([TURNS, TURNS.transpose(0, 2, 1)]).reshape(8, -1)  # the latter four by 90°
EXCHANGES = ((2, 1, 0), (1, 0, 2), (0, 2, 1), (1, 2, 0), (2, 0, 1))
MIDDLE = slice(2, 14), slice(4, 12)  # rows, columns of 16: free to move by a quarter of the width either way
UNSEEN, SEEN = 4, 12  # levels; black beyond the edge of what was rendered, and not black
LEAST_EXPOSURE = 0.3  # of the input: below, colours are too dark to be brought to the same exposure
LIGHT_FLOOR = 4  # levels added to the light, so that black has no colour
RICHER = 1.15
LEAST_DETAIL = 0.5  # luma added to either side of a ratio


class Sketch(NamedTuple):
    """What is kept of one picture for comparisons."""

    luma: np.ndarray  # (256,) of the 16×16 thumbnail, levels
    # root mean square difference of neighbours in the thumbnail down, across and along both diagonals, luma
    detail: tuple[float, float, float, float]
    chroma: np.ndarray  # (64, 3) of the 8×8 thumbnail: channels less their mean, levels
    means: tuple[float, float, float]  # of the channels, levels
    flattest_sigma: float  # the least of the channels' standard deviations, levels


class Layout(NamedTuple):
    """Y against X. Likeness is a correlation of luma, -1 to 1.

    Attributes:
        likeness: as they are.
        likeness_mirrored: with Y mirrored left to right.
        likeness_turned: with Y upside down, mirrored or not, whichever is more alike.
        likeness_quarter: with Y turned by 90° either way, mirrored or not, whichever is most alike.
        likeness_moved: of Y's middle, wherever in X it fits best; `likeness` where none of those three is greater.
        layout_sigma: of X's 16×16 thumbnail, luma: what there is to compare.
        detail_ratio: of the thumbnails' differences of neighbours, Y over X.
        least_detail_ratio: the same along that one of four directions where it is least.
        colour_difference: of chroma, Y brought to X's exposure; root mean square, levels.
        colour_difference_exchanged: the same after the exchange of Y's channels that makes it least.
        colour_x, colour_y: root mean square chroma, Y brought to X's exposure, levels.
        colour_shift: how far the mean colour moved, as `_shift` has it.
        flattest_channel_x, flattest_channel_y: least standard deviation of a channel, levels.
    """

    likeness: float
    likeness_mirrored: float
    likeness_turned: float
    likeness_quarter: float
    likeness_moved: float
    layout_sigma: float
    detail_ratio: float
    least_detail_ratio: float
    colour_difference: float
    colour_difference_exchanged: float
    colour_x: float
    colour_y: float
    colour_shift: float
    flattest_channel_x: float
    flattest_channel_y: float


def sketch(thumbnail: np.ndarray) -> Sketch:
    """Of a thumbnail (S, S, 3) uint8, S at least 16."""
    thumbnail = thumbnail.astype(np.float32)
    grey = cv2.transform(thumbnail, TO_GREY)
    neighbours = (
        (grey[1:], grey[:-1]),
        (grey[:, 1:], grey[:, :-1]),
        (grey[1:, 1:], grey[:-1, :-1]),
        (grey[1:, :-1], grey[:-1, 1:]),
    )
    down, across, falling, rising = (_root(cv2.norm(*pair, cv2.NORM_L2SQR), pair[0].size) for pair in neighbours)
    small = cv2.resize(thumbnail, (COLOUR_SIDE, COLOUR_SIDE), interpolation=cv2.INTER_AREA)
    means, sigmas = cv2.meanStdDev(small)
    blue, green, red = means[:, 0].tolist()
    return Sketch(
        luma=cv2.resize(grey, (LAYOUT_SIDE, LAYOUT_SIDE), interpolation=cv2.INTER_AREA).ravel(),
        detail=(down, across, falling, rising),
        chroma=(small - cv2.transform(small, TO_GREY)[..., None]).reshape(-1, 3),
        means=(blue, green, red),
        flattest_sigma=min(sigmas[:, 0].tolist()),
    )


def compare(x: Sketch, y: Sketch) -> Layout:
    """How Y relates to X."""
    luma_x, luma_y = _centred(x.luma), _centred(_without_margin(x.luma, y.luma))
    length = cv2.norm(luma_x)
    likeness = (luma_x[TURNS] @ luma_y).ravel() / max(length * cv2.norm(luma_y), 1e-3)
    as_is, mirrored, *others = likeness.tolist()
    turned, quarter = max(others[:2]), max(others[2:])
    ratios = [(own + LEAST_DETAIL) / (other + LEAST_DETAIL) for own, other in zip(y.detail, x.detail, strict=True)]
    light_x, light_y = sum(x.means) / 3, sum(y.means) / 3
    exposure = max((light_y + 1) / (light_x + 1), LEAST_EXPOSURE)
    products = (x.chroma.T @ y.chroma / exposure).tolist()  # of channels with channels
    count = x.chroma.size
    squares_x, squares_y = cv2.norm(x.chroma, cv2.NORM_L2SQR), cv2.norm(y.chroma, cv2.NORM_L2SQR) / exposure**2
    same = sum(products[c][c] for c in range(3))
    exchanged = max(sum(products[c][other] for c, other in enumerate(order)) for order in EXCHANGES)
    return Layout(
        likeness=as_is,
        likeness_mirrored=mirrored,
        likeness_turned=turned,
        likeness_quarter=quarter,
        likeness_moved=max(as_is, _moved(luma_x, luma_y)) if max(mirrored, turned, quarter) > as_is else as_is,
        layout_sigma=length / LAYOUT_SIDE,
        detail_ratio=sum(ratios) / len(ratios),
        least_detail_ratio=min(ratios),
        colour_difference=_root(squares_x + squares_y - 2 * same, count),
        colour_difference_exchanged=_root(squares_x + squares_y - 2 * exchanged, count),
        colour_x=_root(squares_x, count),
        colour_y=_root(squares_y, count),
        colour_shift=_shift(x.means, y.means),
        flattest_channel_x=x.flattest_sigma,
        flattest_channel_y=y.flattest_sigma,
    )


def _centred(luma: np.ndarray) -> np.ndarray:
    return luma - np.float32(luma.mean())


def _without_margin(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Y, with its mean where it is black and X is not: nothing was seen there, which says nothing of layout."""
    unseen = (y < UNSEEN) & (x > SEEN)
    if not unseen.any() or unseen.all():
        return y
    return np.where(unseen, y[~unseen].mean(), y)


def _moved(x: np.ndarray, y: np.ndarray) -> float:
    """Likeness but for a shift: after a large one, a symmetric scene is more like its own mirror image."""
    x, y = (luma.reshape(LAYOUT_SIDE, LAYOUT_SIDE) for luma in (x, y))
    return float(cv2.matchTemplate(x, y[MIDDLE], cv2.TM_CCOEFF_NORMED).max())


def _shift(x: tuple[float, float, float], y: tuple[float, float, float]) -> float:
    """How far Y's mean colour lies from any paler or slightly richer version of X's.

    Colours are the channels' shares of the light less 1: grey is (0, 0, 0), pure blue (2, -1, -1).
    """
    own, other = _shares(y), _shares(x)
    squares = sum(share * share for share in other)
    along = sum(a * b for a, b in zip(own, other, strict=True))
    scale = min(max(along / squares, 0), RICHER) if squares > 0 else 0
    return float(sum((a - scale * b) ** 2 for a, b in zip(own, other, strict=True)) ** 0.5)


def _shares(means: tuple[float, float, float]) -> list[float]:
    light = sum(means) / 3
    return [(mean - light) / (light + LIGHT_FLOOR) for mean in means]


def _root(squares: float, count: int) -> float:
    return float(max(squares, 0.0) / count) ** 0.5
