"""Crops of real photographs: those of the experiment `cvs` and those beside this file, whose README names them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "resources" / "photographs", Path(__file__).parent / "photographs")
TEXTURES = ("brick", "grass", "gravel")
SIZES = (64, 128, 256)
CROP_SHARES = (0.5, 1.0)  # side of a crop / shorter side of its photograph
MIN_SIGMA = 25  # luma; a crop of blue sky alone is no input that anybody would choose


class Photographs:
    """Any number of square crops, BGR uint8, from the pictures of some folders."""

    def __init__(self, folders: Sequence[Path] = FOLDERS) -> None:
        paths = sorted(path for folder in folders for path in folder.glob("*.jpg"))
        pictures = {path.stem: cv2.imread(str(path)) for path in paths}
        self.textures = {name: picture for name, picture in pictures.items() if name in TEXTURES}
        self.scenes = {name: picture for name, picture in pictures.items() if name not in TEXTURES}

    def crop(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """(size, size, 3) of some scene, with something in it."""
        while True:
            crop = self._cut(rng, list(self.scenes.values())[rng.integers(len(self.scenes))], size)
            if cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).std() > MIN_SIGMA:
                return crop

    def texture(self, rng: np.random.Generator, size: int, name: str) -> np.ndarray:
        """(size, size, 3) of one texture, tinted as stone, soil or grass is."""
        tints = {"brick": (0.75, 0.85, 1.1), "grass": (0.6, 1.1, 0.8), "gravel": (0.95, 1.0, 1.05)}
        tint = np.array(tints[name]) * rng.uniform(0.9, 1.1, 3)
        return (self._cut(rng, self.textures[name], size) * tint).clip(0, 255).astype(np.uint8)

    @staticmethod
    def _cut(rng: np.random.Generator, picture: np.ndarray, size: int) -> np.ndarray:
        height, width = picture.shape[:2]
        side = int(min(height, width) * rng.uniform(*CROP_SHARES))
        side = max(side, min(size, height, width))  # nothing is enlarged that need not be
        top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        crop = picture[top : top + side, left : left + side]
        how = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
        return cv2.resize(crop, (size, size), interpolation=how)[:, :: rng.choice([-1, 1])].copy()
