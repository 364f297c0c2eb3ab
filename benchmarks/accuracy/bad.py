"""Views that nobody should train on: what a broken generator, writer or copy makes of good ones.

Each is so strong that a person who sees input and view side by side would not use it. Milder ones are not faults.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from accuracy.camera import jpeg, moved
from accuracy.photographs import Photographs

LEAST_COLOURFULNESS = 12
OF_COLOURS = ("channels swapped", "channel lost", "one tint")

Spoil = Callable[[np.random.Generator, np.ndarray, np.ndarray], np.ndarray]  # (rng, input, view) → bad view


@dataclass(frozen=True)
class Bad:
    """A kind of bad view.

    Attributes:
        knowable: whether one view beside its input can show it. Of the others a set shows some: a picture may be
            symmetric, ten are not.
    """

    spoil: Spoil
    knowable: bool = True


def _levels(picture: np.ndarray) -> np.ndarray:
    return picture.clip(0, 255).astype(np.uint8)


def _fit(picture: np.ndarray, size: int, how: int = cv2.INTER_CUBIC) -> np.ndarray:
    return _levels(cv2.resize(picture.astype(np.float32), (size, size), interpolation=how))


# --- light ---


def _constant(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.full_like(y, rng.integers(20, 236, 3))


def _vignette(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Black but for a spot in the middle."""
    size = y.shape[0]
    rows, columns = np.mgrid[0:size, 0:size] / size - 0.5
    light = 1 / (1 + np.exp((np.hypot(rows, columns) - rng.uniform(0.2, 0.28)) / 0.03))
    return _levels(y * light[..., None])


def _turned_mask(rng: np.random.Generator, y: np.ndarray, edge: int) -> np.ndarray:
    keep = np.zeros(y.shape[:2], np.uint8)
    keep[: y.shape[0] - edge] = 1
    return y * np.rot90(keep, rng.integers(4))[..., None]


# --- noise ---


def _blotches(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What a decoder without weights gives: noise of a few pixels' width."""
    size = y.shape[0]
    return _fit(rng.uniform(0, 255, (max(size // int(rng.integers(3, 7)), 8),) * 2 + (3,)), size)


def _salt_and_pepper(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    hit = rng.random(y.shape[:2])
    share = rng.uniform(0.05, 0.2)
    spoiled = y.copy()
    spoiled[hit < share / 2] = 0
    spoiled[hit > 1 - share / 2] = 255
    return spoiled


def _black_holes(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """NaN that became 0, in single pixels."""
    spoiled = y.copy()
    spoiled[rng.random(y.shape[:2]) < rng.uniform(0.05, 0.2)] = 0
    return spoiled


def _checkerboard(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What transposed convolutions leave: a grid of 2 or 4 pixels."""
    period = int(rng.choice([2, 4]))
    rows, columns = np.mgrid[0 : y.shape[0], 0 : y.shape[1]]
    sign = ((rows // (period // 2) + columns // (period // 2)) % 2) * 2 - 1
    return _levels(y + rng.uniform(25, 50) * sign[..., None])


# --- detail ---


def _motion(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    size = y.shape[0]
    length = max(int(size * rng.uniform(0.12, 0.2)), 7) | 1
    line = np.zeros((length, length), np.float32)
    line[length // 2] = 1
    turn = cv2.getRotationMatrix2D((length // 2, length // 2), float(rng.uniform(0, 180)), 1)
    line = cv2.warpAffine(line, turn, (length, length))
    return _levels(cv2.filter2D(y.astype(np.float32), -1, line / line.sum(), borderType=cv2.BORDER_REFLECT))


def _pixelated(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    few = int(rng.choice([8, 16]))
    return cv2.resize(
        cv2.resize(y, (few, few), interpolation=cv2.INTER_AREA), y.shape[:2], interpolation=cv2.INTER_NEAREST
    )


def _enlarged(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    few = int(rng.choice([8, 12]))
    return _fit(cv2.resize(y, (few, few), interpolation=cv2.INTER_AREA), y.shape[0], cv2.INTER_LINEAR)


def _posterised(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    step = 256 / rng.integers(2, 5)
    return _levels(np.floor(y / step) * step + step / 2)


def _binary(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Contrast so high that nothing lies between black and white."""
    grey = cv2.cvtColor(y, cv2.COLOR_BGR2GRAY).astype(float)
    return _levels(np.repeat((((grey - np.median(grey)) * 40) + 127)[..., None], 3, 2))


# --- layout ---


def _rows_lost(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rows, or columns, that were never written."""
    spoiled = y.copy()
    spoiled[rng.random(y.shape[0]) < rng.uniform(0.15, 0.4)] = 0
    return spoiled if rng.random() < 0.5 else _columns(y, spoiled)


def _columns(y: np.ndarray, spoiled: np.ndarray) -> np.ndarray:
    lost = (spoiled != y).any(axis=(1, 2))
    turned = y.copy()
    turned[:, lost] = 0
    return turned


def _rows_stuck(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """From some row on the same row again."""
    spoiled = y.copy()
    first = int(y.shape[0] * rng.uniform(0.35, 0.65))
    spoiled[first:] = spoiled[first]
    return np.ascontiguousarray(spoiled if rng.random() < 0.5 else np.transpose(_rows_stuck_of(y, first), (1, 0, 2)))


def _rows_stuck_of(y: np.ndarray, first: int) -> np.ndarray:
    turned = np.transpose(y, (1, 0, 2)).copy()
    turned[first:] = turned[first]
    return turned


def _tiles_lost(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    across = int(rng.choice([4, 8]))
    lost = (rng.random((across, across)) < rng.uniform(0.25, 0.5)).astype(np.uint8)
    lost[rng.integers(across), rng.integers(across)] = 1
    return y * (1 - cv2.resize(lost, y.shape[:2], interpolation=cv2.INTER_NEAREST))[..., None]


def _tiles_shuffled(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    across = int(rng.choice([4, 8]))
    side = y.shape[0] // across
    tiles = [
        y[r : r + side, c : c + side] for r in range(0, side * across, side) for c in range(0, side * across, side)
    ]
    shuffled = [tiles[place] for place in rng.permutation(len(tiles))]
    return np.vstack([np.hstack(shuffled[row : row + across]) for row in range(0, len(tiles), across)])


def _sheared(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rows read with a wrong stride: each begins a little later."""
    step = int(rng.integers(3, 12))
    return np.stack([np.roll(row, step * at, axis=0) for at, row in enumerate(y)])


def _interlaced(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Every other row belongs to another moment."""
    spoiled = y.copy()
    spoiled[::2] = np.roll(spoiled[::2], max(4, int(y.shape[0] * rng.uniform(0.05, 0.12))), axis=1)
    return spoiled


# --- colour ---


def _channels_swapped(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return y[..., [[2, 1, 0], [1, 2, 0], [0, 2, 1]][rng.integers(3)]].copy()


def _channel_lost(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    spoiled = y.copy()
    spoiled[..., rng.integers(3)] = rng.choice([0, 0, 128, 255])
    return spoiled


def _cast(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """All in green, magenta, blue …, as no lamp makes it."""
    gains = np.array([[0.35, 1.3, 0.35], [1.2, 0.35, 1.2], [1.4, 0.7, 0.3], [0.25, 0.7, 1.4]])[rng.integers(4)]
    return _levels(y * gains)


def _depth_map(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Depth in grey where the picture should be: smooth, with the outlines of things."""
    size = y.shape[0]
    luma = cv2.GaussianBlur(cv2.cvtColor(y, cv2.COLOR_BGR2GRAY).astype(np.float32), (0, 0), size / 24)
    rows, columns = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    depth = 0.5 * (1 + rows) + 0.5 * np.exp(-(rows**2 + columns**2)) + 0.3 * (luma / 255 > 0.5)
    depth = cv2.bilateralFilter(depth.astype(np.float32), 9, 0.3, size / 40)
    return _levels(np.repeat((255 * (depth - depth.min()) / np.ptp(depth))[..., None], 3, 2))


def _sepia(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """All in one tint."""
    tint = np.array([[0.5, 0.8, 1.1], [1.2, 0.9, 0.6], [0.7, 1.1, 0.7]])[rng.integers(3)]
    return _levels(cv2.cvtColor(y, cv2.COLOR_BGR2GRAY)[..., None] * tint)


def _colour_blotches(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Colours of nothing in the input, spread over the view or all that is left of it."""
    few = int(rng.choice([4, 8, 16]))
    blotches = _fit(rng.normal(128, rng.uniform(70, 110), (few, few, 3)), y.shape[0])
    return blotches if rng.random() < 0.5 else _levels(y.astype(float) + blotches - 128)


# --- other contents ---


def spoiled(kind: str, rng: np.random.Generator, photographs: Photographs, size: int) -> tuple[np.ndarray, np.ndarray]:
    """An input and a bad view made from it.

    What is wrong with colours is asked of colourful inputs, and another scene is another photograph.
    """
    x = photographs.crop(rng, size)
    while kind in OF_COLOURS and _colourfulness(x) < LEAST_COLOURFULNESS:
        x = photographs.crop(rng, size)
    source = photographs.crop(rng, size) if kind == "another scene" else x
    return x, KINDS[kind].spoil(rng, x, moved(rng, source))


def _colourfulness(picture: np.ndarray) -> float:
    """Spread of chroma, levels."""
    return float(cv2.cvtColor(picture, cv2.COLOR_BGR2LAB)[..., 1:].std(axis=(0, 1)).sum())


def _gradient(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    corners = rng.uniform(0, 255, (2, 2, 3)).astype(np.float32)
    return _levels(cv2.resize(corners, y.shape[:2], interpolation=cv2.INTER_LINEAR))


def _error_screen(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    size = y.shape[0]
    background, ink = [((255, 255, 255), (0, 0, 0)), ((0, 0, 0), (220, 220, 220)), ((170, 60, 0), (255, 255, 255))][
        rng.integers(3)
    ]
    screen = np.full_like(y, background)
    lines = ["Error:", "CUDA out of", "memory.", "Tried to", "allocate 2.0", "GiB"][: rng.integers(2, 7)]
    for number, line in enumerate(lines):
        at = (size // 16, int(size * (0.2 + 0.13 * number)))
        cv2.putText(screen, line, at, cv2.FONT_HERSHEY_SIMPLEX, size / 280, ink, 1, cv2.LINE_AA)
    return screen


def _floaters(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Clouds of any colour before the camera, as splats leave them that nothing held in place."""
    size, view = y.shape[0], y.astype(np.float32)
    for _ in range(25):
        cloud = np.zeros((size, size), np.float32)
        at = tuple(int(place) for place in rng.integers(0, size, 2))
        cv2.circle(cloud, at, int(size * rng.uniform(0.08, 0.2)), 1.0, -1)
        cover = cv2.GaussianBlur(cloud, (0, 0), size * 0.04)[..., None] * 0.85
        view = view * (1 - cover) + cover * rng.integers(0, 256, 3)
    return _levels(view)


def _occluded(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A rectangle of one colour before most of it."""
    size, spoiled = y.shape[0], y.copy()
    height, width = (int(size * rng.uniform(0.65, 0.85)) for _ in range(2))
    top, left = rng.integers(0, size - height + 1), rng.integers(0, size - width + 1)
    spoiled[top : top + height, left : left + width] = rng.integers(0, 256, 3)
    return spoiled


def _ghosts(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Two pictures in one: the view, and itself from far aside."""
    size = y.shape[0]
    shift = int(size * rng.uniform(0.15, 0.35)) * int(rng.choice([-1, 1]))
    return _levels(0.5 * y.astype(float) + 0.5 * np.roll(y, (shift // 2, shift), axis=(0, 1)))


KINDS: dict[str, Bad] = {
    "dark": Bad(lambda rng, x, y: _levels(y * rng.uniform(0.05, 0.2))),
    "underexposed": Bad(lambda rng, x, y: _levels(y * rng.uniform(0.22, 0.35))),
    "black": Bad(lambda rng, x, y: np.zeros_like(y)),
    "constant": Bad(_constant),
    "overexposed": Bad(lambda rng, x, y: _levels(y * rng.uniform(2.5, 5) + rng.uniform(60, 140))),
    "washed out": Bad(lambda rng, x, y: _levels(y * rng.uniform(0.04, 0.12) + rng.uniform(70, 170))),
    "white noise": Bad(lambda rng, x, y: _levels(rng.uniform(0, 255, y.shape))),
    "normal noise": Bad(lambda rng, x, y: _levels(rng.normal(128, rng.uniform(30, 60), y.shape))),
    "blotchy noise": Bad(_blotches),
    "additive noise": Bad(lambda rng, x, y: _levels(y + rng.normal(0, rng.uniform(45, 80), y.shape))),
    "salt and pepper": Bad(_salt_and_pepper),
    "scattered black holes": Bad(_black_holes),
    "checkerboard": Bad(_checkerboard),
    "blurred": Bad(lambda rng, x, y: cv2.GaussianBlur(y, (0, 0), y.shape[0] * rng.uniform(0.04, 0.08))),
    "motion blur": Bad(_motion),
    "pixelated": Bad(_pixelated),
    "enlarged from 8-12 pixels": Bad(_enlarged),
    "JPEG blocks": Bad(lambda rng, x, y: jpeg(y, int(rng.integers(1, 4)))),
    "posterised": Bad(_posterised),
    "binary": Bad(_binary),
    "half black": Bad(lambda rng, x, y: _turned_mask(rng, y, int(y.shape[0] * rng.uniform(0.45, 0.6)))),
    "vignette to black": Bad(_vignette),
    "rows lost": Bad(_rows_lost),
    "rows stuck": Bad(_rows_stuck),
    "tiles lost": Bad(_tiles_lost),
    "tiles shuffled": Bad(_tiles_shuffled),
    "inverted": Bad(lambda rng, x, y: 255 - y),
    "channels swapped": Bad(_channels_swapped),
    "channel lost": Bad(_channel_lost),
    "colour cast": Bad(_cast),
    "depth map": Bad(_depth_map),
    "gradient": Bad(_gradient),
    "error screen": Bad(_error_screen),
    "copy of the input": Bad(lambda rng, x, y: x.copy()),
    "upside down": Bad(lambda rng, x, y: y[::-1].copy(), knowable=False),
    "mirrored": Bad(lambda rng, x, y: y[:, ::-1].copy(), knowable=False),
    "another scene": Bad(lambda rng, x, y: y, knowable=False),
    "ghosts": Bad(_ghosts, knowable=False),
    "one tint": Bad(_sepia),
    "colour blotches": Bad(_colour_blotches),
    "sheared": Bad(_sheared),
    "interlaced": Bad(_interlaced),
    "floaters": Bad(_floaters),
    "occluded": Bad(_occluded),
    "turned by 90°": Bad(lambda rng, x, y: np.rot90(y, rng.choice([1, 3])).copy(), knowable=False),
}
