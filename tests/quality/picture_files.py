"""Folders of pictures for tests: photographs' crops that are all different, and what goes wrong with them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tests.conftest import ROOT


def photographs() -> list[np.ndarray]:
    """(H, W, 3) uint8 BGR."""
    return [cv2.imread(str(path)) for path in sorted((ROOT / "resources" / "photographs").glob("*.jpg"))]


def crops(count: int, side: int = 96, seed: int = 0) -> list[np.ndarray]:
    """Square windows (side, side, 3) that lie far enough apart to look different."""
    rng, sources, found = np.random.default_rng(seed), photographs(), []
    while len(found) < count:
        picture = sources[len(found) % len(sources)]
        reach = int(rng.integers(side, min(picture.shape[:2]) + 1))
        top, left = (int(rng.integers(0, extent - reach + 1)) for extent in picture.shape[:2])
        window = cv2.resize(picture[top : top + reach, left : left + reach], (side, side), interpolation=cv2.INTER_AREA)
        turned = np.ascontiguousarray(np.rot90(window, int(rng.integers(4)))[:, :: int(rng.choice([-1, 1]))])
        if turned.std() > 25:
            found.append(turned)
    return found


def write(folder: Path, pictures: dict[str, np.ndarray]) -> Path:
    """Pictures under names with a suffix that says their format."""
    for name, picture in pictures.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(path.suffix, picture)[1].tobytes())
    return folder
