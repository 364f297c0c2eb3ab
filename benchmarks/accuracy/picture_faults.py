"""What a broken step does to pictures; the same in each that it is done to."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Spoil = Callable[[np.random.Generator, np.ndarray], np.ndarray]


def levels(picture: np.ndarray) -> np.ndarray:
    return picture.clip(0, 255).astype(np.uint8)


def _part(rows: slice, columns: slice, value: int) -> Spoil:
    """A part, in shares of the side, of one value."""

    def spoil(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
        height, width = picture.shape[:2]
        spoilt = picture.copy()
        spoilt[
            slice(*(None if at is None else int(height * at) for at in (rows.start, rows.stop))),
            slice(*(None if at is None else int(width * at) for at in (columns.start, columns.stop))),
        ] = value
        return spoilt

    return spoil


def _stripes(step: int, wide: int, down: bool = True) -> Spoil:
    def spoil(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
        spoilt = picture.copy()
        lines = np.arange(picture.shape[0 if down else 1]) % step < wide
        if down:
            spoilt[lines] = 0
        else:
            spoilt[:, lines] = 0
        return spoilt

    return spoil


def _channel(which: int, value: int) -> Spoil:
    def spoil(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
        spoilt = picture.copy()
        spoilt[..., which] = value
        return spoilt

    return spoil


def _same_channel(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Blue is written twice."""
    return np.ascontiguousarray(picture[..., [0, 0, 2]])


def _converted(code: int) -> Spoil:
    return lambda rng, picture: cv2.cvtColor(picture, code)


def _fewlevels(count: int) -> Spoil:
    step = 256 / count
    return lambda rng, picture: levels(np.floor(picture / step) * step + step / 2)


def _noisy(sigma: float) -> Spoil:
    return lambda rng, picture: levels(picture + rng.normal(0, sigma, picture.shape))


def _specks(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    spoilt, hit = picture.copy(), rng.random(picture.shape[:2])
    spoilt[hit < 0.1], spoilt[hit > 0.9] = 0, 255
    return spoilt


def _blurred(share: float) -> Spoil:
    return lambda rng, picture: cv2.GaussianBlur(picture, (0, 0), share * picture.shape[1])


def _enlarged(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (width // 12, height // 12), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def _rows_repeated(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture[np.arange(len(picture)) // 4 * 4])


def _rows_stuck(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    spoilt = picture.copy()
    spoilt[len(picture) // 2 :] = spoilt[len(picture) // 2]
    return spoilt


def _sheared(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Read with a row that is a few pixels too short."""
    height, width = picture.shape[:2]
    shift = np.arange(height) * max(width // 16, 3)
    return np.ascontiguousarray(picture[np.arange(height)[:, None], (np.arange(width)[None] + shift[:, None]) % width])


def _shuffled_rows(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture[rng.permutation(len(picture))])


def _planar(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Channels first, read as channels last."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1)).reshape(picture.shape)


def _wrapped(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Brightened without a limit: 256 becomes 0."""
    return (picture.astype(np.int32) * 2).astype(np.uint8)


def _invisible(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    return np.dstack([picture, np.zeros(picture.shape[:2], np.uint8)])


def _vignette(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    rows, columns = (np.linspace(-1, 1, extent) for extent in picture.shape[:2])
    return levels(picture * np.exp(-3 * (rows[:, None] ** 2 + columns[None] ** 2))[..., None])


FAULTS: dict[str, Spoil] = {
    "lower half black": _part(slice(0.5, None), slice(None), 0),
    "upper 40 % grey": _part(slice(None, 0.4), slice(None), 128),
    "left half black": _part(slice(None), slice(None, 0.5), 0),
    "right third white": _part(slice(None), slice(0.67, None), 255),
    "quarter black": _part(slice(0.5, None), slice(0.5, None), 0),
    "every 2nd row black": _stripes(2, 1),
    "every 8th row black": _stripes(8, 1),
    "bands of 8 rows black": _stripes(16, 8),
    "every 2nd column black": _stripes(2, 1, down=False),
    "every 10th column black": _stripes(10, 1, down=False),
    "blue is 0": _channel(0, 0),
    "green is 0": _channel(1, 0),
    "red is 255": _channel(2, 255),
    "two channels alike": _same_channel,
    "YUV as RGB": _converted(cv2.COLOR_BGR2YUV),
    "YCrCb as RGB": _converted(cv2.COLOR_BGR2YCrCb),
    "Lab as RGB": _converted(cv2.COLOR_BGR2LAB),
    "HSV as RGB": _converted(cv2.COLOR_BGR2HSV),
    "4 levels": _fewlevels(4),
    "three times as bright": lambda rng, picture: levels(picture * 3.0),
    "black but for 5 %": lambda rng, picture: levels(picture * 0.05),
    "contrast 5 %": lambda rng, picture: levels(picture * 0.05 + 120),
    "noise of σ 60": _noisy(60),
    "noise of σ 40": _noisy(40),
    "salt and pepper": _specks,
    "blur of 3 %": _blurred(0.03),
    "blur of 5 %": _blurred(0.05),
    "enlarged 12 times": _enlarged,
    "rows repeated": _rows_repeated,
    "rows stuck": _rows_stuck,
    "sheared": _sheared,
    "rows shuffled": _shuffled_rows,
    "channels first": _planar,
    "fully transparent": _invisible,
}
UNDECIDED: dict[str, Spoil] = {
    "2 levels": _fewlevels(2),
    "inverted": lambda rng, picture: 255 - picture,
    "overflow": _wrapped,
    "vignette": _vignette,
    "channels swapped": lambda rng, picture: np.ascontiguousarray(picture[..., ::-1]),
}
"""Measured too, and not promised: without an input beside them good sets may look the same."""
FAULTS |= UNDECIDED
EXACT = {"fully transparent"}
