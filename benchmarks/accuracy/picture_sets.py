"""Folders of single pictures: good ones of many makes, and good ones with one fault that all or some of them share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from accuracy.good import INPUTS
from accuracy.packages import Packages
from accuracy.photographs import Photographs
from accuracy.picture_faults import EXACT, FAULTS, levels

PICTURES = 40
SIDES = (96, 160, 256, 384)
SUFFIXES = (".png", ".jpg")
JPEG_QUALITIES = (80, 90, 95)

Make = Callable[[np.random.Generator, Photographs, Packages, int], np.ndarray]


def write_set(
    folder: Path,
    make: str,
    fault: str,
    prevalence: float,
    rng: np.random.Generator,
    photographs: Photographs,
    packages: Packages,
    count: int = PICTURES,
) -> None:
    """`count` pictures of a make of `GOOD`; with a fault of `FAULTS`, so large a share of them has it."""
    folder.mkdir(parents=True)
    side = int(rng.choice(SIDES))
    suffix = str(rng.choice(SUFFIXES)) if make in LOSSY and fault not in EXACT else ".png"
    bad = set(rng.permutation(count)[: round(prevalence * count)].tolist()) if fault else set()
    for number in range(count):
        picture = GOOD[make](rng, photographs, packages, side)
        if number in bad:
            picture = FAULTS[fault](rng, picture)
        quality = int(rng.choice(JPEG_QUALITIES))
        options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else []
        cv2.imwrite(str(folder / f"{rng.integers(1 << 40):010x}{suffix}"), picture, options)


def _of(name: str) -> Make:
    return lambda rng, photographs, packages, size: INPUTS[name](rng, photographs, size)


def _photograph(rng: np.random.Generator, photographs: Photographs, packages: Packages, size: int) -> np.ndarray:
    """Of a shape of its own, as photographs are."""
    square = photographs.crop(rng, size)
    return np.ascontiguousarray(square[: int(size * rng.uniform(0.6, 1))])


def _letterboxed(rng: np.random.Generator, photographs: Photographs, packages: Packages, size: int) -> np.ndarray:
    picture, bar = photographs.crop(rng, size), size // 8
    if rng.random() < 0.4:
        picture[:bar] = picture[-bar:] = 0
    return picture


def _thermal(rng: np.random.Generator, photographs: Photographs, packages: Packages, size: int) -> np.ndarray:
    """Warm shapes on a cool ground, in the colours that a camera paints them with."""
    heat = cv2.GaussianBlur(cv2.cvtColor(photographs.crop(rng, size), cv2.COLOR_BGR2GRAY), (0, 0), size / 120)
    return cv2.applyColorMap(levels(heat + rng.normal(0, 1.5, heat.shape)), cv2.COLORMAP_INFERNO)


def _jet(rng: np.random.Generator, photographs: Photographs, packages: Packages, size: int) -> np.ndarray:
    return cv2.applyColorMap(_depth(rng, photographs, packages, size), cv2.COLORMAP_JET)


def _depth(rng: np.random.Generator, photographs: Photographs, packages: Packages, size: int) -> np.ndarray:
    """Boxes that stand on a ground, before a sky at infinity, which is 0; grey."""
    rows = np.linspace(0, 1, size)[:, None] * np.ones((1, size))
    horizon = rng.uniform(0.2, 0.4)
    depth = np.where(rows > horizon, 20 + 200 * ((rows - horizon) / (1 - horizon)).clip(0) ** rng.uniform(0.7, 1.4), 0)
    for _ in range(rng.integers(4, 9)):
        left, foot = rng.integers(0, size), rng.uniform(horizon + 0.05, 1)
        width, height = (int(size * rng.uniform(0.05, 0.3)) for _ in range(2))
        top = max(int(foot * size) - height, 0)
        depth[top : int(foot * size), left : left + width] = 20 + 200 * (foot - horizon) / (1 - horizon)
    return levels(depth + (depth > 0) * rng.normal(0, 1, depth.shape))


def _deep(picture: np.ndarray, bits: int) -> np.ndarray:
    return (picture.astype(np.uint16) << (bits - 8)) | (picture >> (16 - bits))


def _xray(rng: np.random.Generator, photographs: Photographs, packages: Packages, size: int) -> np.ndarray:
    """Soft shapes that lie over each other, bright on dark, with quantum noise; 12 bits in 16."""
    rows, columns = np.mgrid[0:size, 0:size] / size
    light = np.zeros((size, size))
    for _ in range(rng.integers(8, 16)):
        y, x, height, width = *rng.uniform(0.2, 0.8, 2), *rng.uniform(0.05, 0.35, 2)
        inside = 1 - ((rows - y) / height) ** 2 - ((columns - x) / width) ** 2
        light += rng.uniform(0.2, 1) * np.sqrt(inside.clip(0))
    light = cv2.GaussianBlur(light / light.max(), (0, 0), size / 200) * 3600 + 150
    return (light + rng.normal(0, 12, light.shape)).clip(0, 4095).astype(np.uint16)


def _fluorescence(rng: np.random.Generator, photographs: Photographs, packages: Packages, size: int) -> np.ndarray:
    """Nuclei in one stain: two channels are empty, most of the third is dark."""
    light = np.zeros((size, size), np.float32)
    for _ in range(rng.integers(5, 25)):
        centre, axes = rng.integers(0, size, 2).tolist(), (size * rng.uniform(0.02, 0.06, 2)).astype(int).tolist()
        cv2.ellipse(light, centre, axes, float(rng.uniform(0, 180)), 0, 360, float(rng.uniform(60, 230)), -1)
    light = cv2.GaussianBlur(light, (0, 0), size / 120) + rng.normal(4, 1.5, light.shape)
    picture = np.zeros((size, size, 3), np.uint8)
    picture[..., 1] = levels(light)
    return picture


def _spectrogram(rng: np.random.Generator, photographs: Photographs, packages: Packages, size: int) -> np.ndarray:
    """Harmonics that glide, in noise; low frequencies below."""
    rows, columns = np.mgrid[0:size, 0:size] / size
    power = rng.exponential(0.02, (size, size)) * (0.3 + rows)
    pitch = rng.uniform(0.05, 0.12) * (1 + 0.3 * np.sin(2 * np.pi * (columns * rng.uniform(0.5, 3) + rng.random())))
    voiced = (np.sin(2 * np.pi * (columns * rng.uniform(1, 5) + rng.random())) > -0.3).astype(float)
    for harmonic in range(1, 9):
        power += voiced * np.exp(-(((1 - rows) - harmonic * pitch) ** 2) / 4e-5) / harmonic
    decibels = 10 * np.log10(power + 1e-6)
    low = np.percentile(decibels, 1)
    return cv2.applyColorMap(levels(255 * (decibels - low) / (decibels.max() - low)), cv2.COLORMAP_VIRIDIS)


def _logo(rng: np.random.Generator, photographs: Photographs, packages: Packages, size: int) -> np.ndarray:
    """Flat colours, before nothing: transparent around them."""
    picture = np.zeros((size, size, 4), np.uint8)
    for _ in range(rng.integers(2, 6)):
        colour = (*rng.integers(0, 256, 3).tolist(), 255)
        centre = (size * rng.uniform(0.3, 0.7, 2)).astype(int).tolist()
        if rng.random() < 0.5:
            cv2.circle(picture, centre, int(size * rng.uniform(0.08, 0.3)), colour, -1, cv2.LINE_AA)
        else:
            corner = (np.array(centre) + size * rng.uniform(0.05, 0.3, 2)).astype(int).tolist()
            cv2.rectangle(picture, centre, corner, colour, -1)
    cv2.putText(picture, "".join(rng.choice(list("ABCDEFGH"), 3)), (size // 5, size // 2), cv2.FONT_HERSHEY_DUPLEX,
                size / 100, (*rng.integers(0, 256, 3).tolist(), 255), 2, cv2.LINE_AA)  # fmt: skip
    return picture


def _chart(rng: np.random.Generator, photographs: Photographs, packages: Packages, size: int) -> np.ndarray:
    """Bars in pure colours on white, with a frame and labels."""
    picture = np.full((size, size, 3), 255, np.uint8)
    pure = [(0, 0, 255), (0, 200, 0), (255, 0, 0), (0, 165, 255), (180, 0, 180)]
    for bar in range(int(rng.integers(4, 9))):
        left = int(size * (0.12 + 0.09 * bar))
        cv2.rectangle(
            picture, (left, int(size * rng.uniform(0.15, 0.8))), (left + size // 16, int(size * 0.88)),
            pure[int(rng.integers(5))], -1,
        )  # fmt: skip
    cv2.rectangle(picture, (size // 10, size // 10), (size * 9 // 10, int(size * 0.88)), (0, 0, 0), 1)
    for mark in range(5):
        where = (int(size * (0.12 + 0.15 * mark)), int(size * 0.96))
        cv2.putText(picture, str(rng.integers(100)), where, cv2.FONT_HERSHEY_SIMPLEX, size / 500, (0, 0, 0), 1)
    return picture


def _scan(rng: np.random.Generator, photographs: Photographs, packages: Packages, size: int) -> np.ndarray:
    """A page in black and white, as fax machines and book scanners write it."""
    grey = cv2.cvtColor(INPUTS["pages"](rng, photographs, 2 * size), cv2.COLOR_BGR2GRAY)
    return np.where(grey > 140, 255, 0).astype(np.uint8)


def _grain(rng: np.random.Generator, photographs: Photographs, packages: Packages, size: int) -> np.ndarray:
    """A photograph at high sensitivity."""
    picture = photographs.crop(rng, size)
    return levels(picture + rng.normal(0, rng.uniform(6, 14), picture.shape))


def _infrared(rng: np.random.Generator, photographs: Photographs, packages: Packages, size: int) -> np.ndarray:
    """From above, in false colours: infrared as red, red as green, green as blue."""
    blue, green, red = cv2.split(photographs.crop(rng, size))
    infrared = levels(1.3 * green.astype(float) - 0.3 * blue + 20)
    return np.ascontiguousarray(cv2.merge([green, red, infrared]))


def _underwater(rng: np.random.Generator, photographs: Photographs, packages: Packages, size: int) -> np.ndarray:
    return levels(photographs.crop(rng, size) * np.array([1.0, 0.75, 0.3]) + np.array([25, 20, 5]))


def _round(rng: np.random.Generator, photographs: Photographs, packages: Packages, size: int) -> np.ndarray:
    """What an endoscope or a fundus camera sees: a disc, black around it."""
    picture = photographs.crop(rng, size)
    rows, columns = np.mgrid[0:size, 0:size] - size / 2
    return picture * (np.hypot(rows, columns) < 0.48 * size)[..., None].astype(np.uint8)


def _palette(rng: np.random.Generator, photographs: Photographs, packages: Packages, size: int) -> np.ndarray:
    """In 64 colours of its own."""
    picture = photographs.crop(rng, size)
    pixels = picture.reshape(-1, 3).astype(np.float32)
    few = pixels[rng.permutation(len(pixels))[:2000]]
    cv2.setRNGSeed(int(rng.integers(1 << 30)))
    _, _, colours = cv2.kmeans(few, 64, None, (3, 8, 1.0), 1, cv2.KMEANS_PP_CENTERS)
    nearest = np.argmin(((pixels[:, None] - colours[None]) ** 2).sum(axis=2), axis=1)
    return levels(colours[nearest].reshape(picture.shape))


def _packaged(name: str) -> Make:
    return lambda rng, photographs, packages, size: packages.crop(name, rng, size)


GOOD: dict[str, Make] = {
    "photographs": _photograph,
    **{
        name: _of(name)
        for name in (
            "black and white photographs", "night", "gravel", "grass", "brick", "snow", "silhouettes", "drawings",
            "fog", "objects before black", "objects before white", "stars", "sunset", "out of focus", "pages",
        )
    },
    "pages of two levels": _scan,
    "letterboxed in part": _letterboxed,
    "thermal": _thermal,
    "depth, grey": _depth,
    "depth, in colours": _jet,
    "16-bit photographs": lambda rng, p, k, size: _deep(photographs_grey(rng, p, size), 16),
    "X-ray, 12 bits in 16": _xray,
    "fluorescence": _fluorescence,
    "spectrograms": _spectrogram,
    "transparent logos": _logo,
    "charts": _chart,
    "grain": _grain,
    "infrared": _infrared,
    "under water": _underwater,
    "endoscope": _round,
    "64 colours": _palette,
    "digits": _packaged("digits"),
    "faces": _packaged("faces"),
    "histology": _packaged("histology"),
    "printed text": _packaged("printed text"),
    "cells": _packaged("cells"),
    "moon": _packaged("moon"),
}  # fmt: skip
LOSSY = {
    "photographs",
    "black and white photographs",
    "night",
    "snow",
    "objects before white",
    "sunset",
    "pages",
    "letterboxed in part",
    "thermal",
    "depth, in colours",
    "spectrograms",
    "grain",
    "under water",
    "endoscope",
    "histology",
}  # fmt: skip  also written as JPEG
PACKAGED = {"digits", "faces", "histology", "printed text", "cells", "moon"}  # skipped where the package is not there


def photographs_grey(rng: np.random.Generator, photographs: Photographs, size: int) -> np.ndarray:
    return cv2.cvtColor(photographs.crop(rng, size), cv2.COLOR_BGR2GRAY)
