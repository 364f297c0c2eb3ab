"""Real pictures that installed packages bring along: scikit-image's and scikit-learn's data."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import cv2
import numpy as np

SOURCES = {  # file of `skimage.data` by the kind of set that is cut from it
    "histology": "ihc.png",
    "printed text": "page.png",
    "cells": "cell.png",
    "moon": "moon.png",
}
LEAST_SIGMA = 8  # luma; a crop of empty paper is no picture


class Packages:
    """Crops by kind: `digits`, `faces`, and the kinds of `SOURCES`.

    Args:
        folders: site-packages, or unpacked wheels, in which `skimage` or `sklearn` lie; those that are importable
            come first.
    """

    def __init__(self, folders: tuple[Path, ...] = ()) -> None:
        homes = [Path(spec.origin).parents[1] for name in ("skimage", "sklearn")
                 if (spec := importlib.util.find_spec(name)) and spec.origin]  # fmt: skip
        self._homes = [*homes, *folders]
        self._pictures: dict[str, np.ndarray] = {}
        for kind, name in SOURCES.items():
            if path := self._find(f"skimage/data/{name}"):
                self._pictures[kind] = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if path := self._find("skimage/data/lfw_subset.npy"):
            self._pictures["faces"] = np.load(path)
        if path := self._find("sklearn/datasets/data/digits.csv.gz"):
            with gzip.open(path, "rt") as lines:
                self._pictures["digits"] = np.loadtxt(lines, delimiter=",")[:, :64].reshape(-1, 8, 8)

    @property
    def kinds(self) -> set[str]:
        """Those of which there are pictures here."""
        return set(self._pictures)

    def crop(self, kind: str, rng: np.random.Generator, size: int) -> np.ndarray:
        """One picture: a digit of 28×28, a face of 64×64, or a crop (size, size) with something in it."""
        source = self._pictures[kind]
        if kind == "digits":
            digit = cv2.resize(source[rng.integers(len(source))] * 15.9, (20, 20), interpolation=cv2.INTER_CUBIC)
            return np.pad(digit.clip(0, 255).astype(np.uint8), 4)
        if kind == "faces":
            face = source[rng.integers(len(source))]
            return (cv2.resize(face, (64, 64), interpolation=cv2.INTER_CUBIC) * 255).clip(0, 255).astype(np.uint8)
        side = min(size, *source.shape[:2])
        while True:
            top, left = (int(rng.integers(0, extent - side + 1)) for extent in source.shape[:2])
            picture = source[top : top + side, left : left + side]
            if picture.std() > LEAST_SIGMA:
                return np.ascontiguousarray(picture)

    def _find(self, path: str) -> Path | None:
        return next((home / path for home in self._homes if (home / path).is_file()), None)
