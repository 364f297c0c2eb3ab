"""Looks that are a fault in one kind of pictures and lie in the nature of another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from gonogo.verdict import Status
from tests.quality.picture_files import crops, write
from tests.quality.pictures.test_inspector import check, judged, levels

COUNT, SIDE = 20, 96
Make = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def grey(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float64)


def radar(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One look: the amplitude of each pixel is its own."""
    return levels(190 * np.sqrt((0.1 + 0.7 * grey(picture) / 255) * rng.exponential(1, picture.shape[:2])))


def halftone(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.where(grey(picture) > rng.uniform(0, 255, picture.shape[:2]), 255, 0).astype(np.uint8)


def stain(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grey light at few photons, in cyan."""
    light = levels(rng.poisson(grey(picture) / 60) * 30.0)
    return np.dstack([light, light, np.zeros_like(light)])


def icon(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    made = np.zeros((SIDE, SIDE, 4), np.uint8)
    corners = rng.integers(5, 90, 4).tolist()
    made[..., 3] = cv2.rectangle(np.zeros((SIDE, SIDE), np.uint8), corners[:2], corners[2:], 255, 5)
    return made


def noise(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """White, grey, with nothing below it."""
    return rng.integers(0, 256, (SIDE, SIDE), np.uint8)


def noisy_colours(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return levels(picture + rng.normal(0, 60, picture.shape))


def peppered(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    hit = rng.random(picture.shape[:2])
    return levels(np.where(hit < 0.1, 0, np.where(hit > 0.9, 255, grey(picture))))


def black(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.dstack([np.zeros_like(picture), np.full((SIDE, SIDE), 255, np.uint8)])


def of(folder: Path, make: Make, share: float, other: Make = lambda picture, rng: levels(grey(picture))) -> Path:
    rng = np.random.default_rng(5)
    pictures = enumerate(crops(COUNT, SIDE, seed=3))
    made = {f"{n:02d}.png": (make if n < share * COUNT else other)(picture, rng) for n, picture in pictures}
    return write(folder / "data", made)


@pytest.mark.parametrize(
    ("make", "id_", "words"),
    [(radar, "noise", "or speckle"), (halftone, "noise", "or speckle"), (stain, "noise", "or a stain"),
     (icon, "light", "or a shape in its opacity")],
)  # fmt: skip
def test_what_a_whole_set_looks_like_is_caution(tmp_path: Path, make: Make, id_: str, words: str) -> None:
    judgement, findings = judged(of(tmp_path, make, 1))
    assert judgement.status is Status.CAUTION, [(one.id, one.why) for one in judgement.checks if one.why]
    assert words in check(judgement, id_).why
    assert not any(finding.bad for finding in findings.values())


@pytest.mark.parametrize("make", [noise, noisy_colours, peppered, black])
def test_what_no_kind_of_picture_looks_like_stops_the_set(tmp_path: Path, make: Make) -> None:
    judgement, _ = judged(of(tmp_path, make, 1))
    assert judgement.status is Status.NO_GO


def test_speckle_among_clean_pictures_stops_the_set(tmp_path: Path) -> None:
    judgement, findings = judged(of(tmp_path, radar, 0.3))
    assert check(judgement, "noise").status is Status.NO_GO
    assert {name for name, finding in findings.items() if finding.bad} == {f"{n:02d}.png" for n in range(6)}


def test_a_ground_whose_rows_are_of_one_depth_each_is_not_in_few_levels(tmp_path: Path) -> None:
    def ground(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        rows = np.arange(SIDE)[:, None]
        return levels(np.where(rows > SIDE // 3, 20 + 3.3 * (rows - SIDE // 3) + rng.integers(-1, 2, (SIDE, SIDE)), 0))

    judgement, _ = judged(of(tmp_path, ground, 1))
    assert check(judgement, "shared_few_levels").status is Status.GO
