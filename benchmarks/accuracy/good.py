"""Inputs that a gate has to let pass, with good views of them: photographs, and what is easily taken for a fault."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from accuracy.photographs import Photographs

LEAST_INK = 0.02  # of a drawing

Make = Callable[[np.random.Generator, Photographs, int], np.ndarray]


def _photograph(rng: np.random.Generator, photographs: Photographs, size: int) -> np.ndarray:
    return photographs.crop(rng, size)


def _grey(rng: np.random.Generator, photographs: Photographs, size: int) -> np.ndarray:
    grey = cv2.cvtColor(photographs.crop(rng, size), cv2.COLOR_BGR2GRAY)
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)


def _night(rng: np.random.Generator, photographs: Photographs, size: int) -> np.ndarray:
    """A photograph at night: steep gamma, little gain, a few small lights with their glow, some grain."""
    day = photographs.crop(rng, size) / 255.0
    night = day ** rng.uniform(1.5, 2.2) * rng.uniform(40, 90) * np.array([1.15, 1.0, 0.85])
    lights = np.zeros((size, size, 3), np.float32)
    for _ in range(rng.integers(3, 15)):
        y, x = rng.integers(0, size, 2)
        colour = np.array([1.0, 1.0, 1.0]) - rng.uniform(0, 0.5, 3) * np.array([1, 0.5, 0])
        cv2.circle(lights, (int(x), int(y)), max(1, size // 128), (255 * colour).tolist(), -1)
    glow = lights + 2.5 * cv2.GaussianBlur(lights, (0, 0), size / 80)
    return _levels(night + glow + rng.normal(0, 2, night.shape))


def _texture(name: str) -> Make:
    return lambda rng, photographs, size: photographs.texture(rng, size, name)


def _snow(rng: np.random.Generator, photographs: Photographs, size: int) -> np.ndarray:
    """A snow field: everything near white, with the structure of a photograph and fine sparkle."""
    shape = cv2.cvtColor(photographs.crop(rng, size), cv2.COLOR_BGR2GRAY) / 255.0
    shape = cv2.GaussianBlur(shape, (0, 0), size / 60)
    shape = (shape - shape.min()) / max(float(np.ptp(shape)), 1e-3)
    field = rng.uniform(195, 215) + rng.uniform(35, 55) * shape
    sparkle = rng.normal(0, 3, (size, size))
    return _levels((field + sparkle)[..., None] * np.array([1.0, 0.985, 0.97]))


def _silhouette(rng: np.random.Generator, photographs: Photographs, size: int) -> np.ndarray:
    """What stands before a bright sky is black."""
    grey = cv2.cvtColor(photographs.crop(rng, size), cv2.COLOR_BGR2GRAY)
    grey = cv2.GaussianBlur(grey, (0, 0), size / 90).astype(float) - np.linspace(0, 60, size)[::-1, None]
    inside = np.clip((np.quantile(grey, rng.uniform(0.3, 0.55)) - grey) / 4 + 0.5, 0, 1)[..., None]
    top, low = rng.uniform([170, 120, 90], [255, 190, 190]), rng.uniform([60, 130, 200], [180, 220, 255])
    sky = top + (low - top) * np.linspace(0, 1, size)[:, None, None] * np.ones((1, size, 1))
    return _levels(sky * (1 - inside) + rng.uniform(3, 14) * inside + rng.normal(0, 1.5, (size, size, 3)))


def _drawing(rng: np.random.Generator, photographs: Photographs, size: int) -> np.ndarray:
    """Thin ink lines on white paper."""
    lines = np.zeros((2 * size, 2 * size), np.uint8)
    while lines.mean() < 255 * LEAST_INK:
        fine = cv2.GaussianBlur(photographs.crop(rng, 2 * size), (0, 0), 1.6)
        lines = cv2.dilate(cv2.Canny(fine, 40, 130), np.ones((2, 2), np.uint8))
    ink = cv2.resize(lines, (size, size), interpolation=cv2.INTER_AREA) / 255.0
    paper = rng.uniform(238, 255)
    return _levels((paper - (paper - rng.uniform(10, 60)) * ink)[..., None] * np.array([0.98, 0.99, 1.0]))


def _fog(rng: np.random.Generator, photographs: Photographs, size: int) -> np.ndarray:
    """Little contrast, and less with height."""
    clear = photographs.crop(rng, size)
    share = np.linspace(rng.uniform(0.1, 0.2), rng.uniform(0.3, 0.5), size)[:, None, None]
    return _levels(share * clear + (1 - share) * rng.uniform(150, 200))


def _before_black(rng: np.random.Generator, photographs: Photographs, size: int) -> np.ndarray:
    """An object, lit, before a black background."""
    return _object(rng, photographs.crop(rng, size), np.full(3, rng.uniform(0, 6)))


def _before_white(rng: np.random.Generator, photographs: Photographs, size: int) -> np.ndarray:
    """An object as in a catalogue."""
    return _object(rng, photographs.crop(rng, size), np.full(3, rng.uniform(246, 255)))


def _object(rng: np.random.Generator, picture: np.ndarray, background: np.ndarray) -> np.ndarray:
    size = picture.shape[0]
    mask = np.zeros((size, size), np.float32)
    for _ in range(3):
        centre = (size * rng.uniform(0.38, 0.62, 2)).astype(int).tolist()
        axes = (size * rng.uniform(0.14, 0.34, 2)).astype(int).tolist()
        cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 0.7)[..., None]
    return _levels(mask * picture + (1 - mask) * background)


def _stars(rng: np.random.Generator, photographs: Photographs, size: int) -> np.ndarray:
    """Points of light before nearly nothing."""
    sky = np.zeros((size, size, 3), np.float32)
    for _ in range(int(size * rng.uniform(0.6, 1.5))):
        y, x = rng.integers(0, size, 2)
        cv2.circle(
            sky,
            (int(x), int(y)),
            int(rng.random() < 0.15),
            (rng.uniform(90, 400) * rng.uniform(0.7, 1, 3)).tolist(),
            -1,
        )
    haze = cv2.resize(rng.uniform(0, 25, (4, 4, 3)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    return _levels(cv2.GaussianBlur(sky, (0, 0), 0.7) * 1.5 + haze + rng.normal(0, 1.5, sky.shape))


def _sunset(rng: np.random.Generator, photographs: Photographs, size: int) -> np.ndarray:
    """All in one colour, and rightly so."""
    light = np.array([rng.uniform(0.15, 0.4), rng.uniform(0.45, 0.65), rng.uniform(1.0, 1.2)])
    return _levels(photographs.crop(rng, size) * light)


def _soft(rng: np.random.Generator, photographs: Photographs, size: int) -> np.ndarray:
    """A close-up with most of it out of focus."""
    sharp = photographs.crop(rng, size).astype(np.float32)
    rows, columns = np.mgrid[0:size, 0:size] / size - rng.uniform(0.35, 0.65, (2, 1, 1))
    focus = np.exp(-(rows**2 + columns**2) / rng.uniform(0.02, 0.06))[..., None]
    return _levels(focus * sharp + (1 - focus) * cv2.GaussianBlur(sharp, (0, 0), size / 25))


def _page(rng: np.random.Generator, photographs: Photographs, size: int) -> np.ndarray:
    """A printed page: rows of text."""
    page = np.full((size, size, 3), rng.integers(215, 253), np.uint8)
    scale, step = size / 400, max(int(size / 14), 8)
    letters = np.array(list("aeiounrstlkmdgh  "))
    for row in range(step, size, step):
        text = "".join(rng.choice(letters, 60))
        cv2.putText(page, text, (int(size * 0.04), row), cv2.FONT_HERSHEY_SIMPLEX, scale, (30, 30, 30), 1, cv2.LINE_AA)
    return _levels(page * np.linspace(1, rng.uniform(0.75, 1), size)[None, :, None])


def _levels(picture: np.ndarray) -> np.ndarray:
    return picture.clip(0, 255).astype(np.uint8)


INPUTS: dict[str, Make] = {
    "photographs": _photograph,
    "black and white photographs": _grey,
    "night": _night,
    "gravel": _texture("gravel"),
    "grass": _texture("grass"),
    "brick": _texture("brick"),
    "snow": _snow,
    "silhouettes": _silhouette,
    "drawings": _drawing,
    "fog": _fog,
    "objects before black": _before_black,
    "objects before white": _before_white,
    "stars": _stars,
    "sunset": _sunset,
    "out of focus": _soft,
    "pages": _page,
}
"""Kinds of inputs; views of them are made by accuracy.camera. The renders of `cvs` come on top."""
