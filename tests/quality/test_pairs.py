"""Every corruption is named, and what is merely unusual is not."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from gonogo.config import QualityGate
from gonogo.quality.measurements import PairStatistics
from gonogo.quality.pairs import pair_faults
from gonogo.quality.statistics import pixel_statistics

from .scenes import make_scene

RNG = np.random.default_rng(7)
GATE = QualityGate()
Change = Callable[[np.ndarray], np.ndarray]


def faults(x: np.ndarray, y: np.ndarray, pair: PairStatistics | None = None) -> set[str]:
    apart = PairStatistics(thumbnail_difference=30, dhash_bits=20)
    return {fault.id for fault in pair_faults(pixel_statistics(x), pixel_statistics(y), pair or apart, GATE)}


def view_of(seed: int) -> tuple[np.ndarray, np.ndarray]:
    scene = make_scene(seed)
    return scene.image, scene.views[1]


def levels(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda picture: np.clip(change(picture.astype(float)), 0, 255).astype(np.uint8)


CORRUPTIONS: dict[str, Change] = {
    "dark": levels(lambda p: 0.05 * p),
    "constant": levels(lambda p: np.full_like(p, p.mean())),
    "overexposed": levels(lambda p: 3 * p + 120),
    "washed_out": levels(lambda p: 0.08 * p + 110),
    "noise": levels(lambda p: RNG.uniform(0, 255, p.shape)),
    "blurred": lambda p: cv2.GaussianBlur(p, (0, 0), 6),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_corruption_is_named(name: str) -> None:
    for seed in range(8):
        x, y = view_of(seed)
        assert name in faults(x, CORRUPTIONS[name](y))


def test_noise_over_a_smooth_picture() -> None:
    for seed in range(8):
        x, y = (cv2.GaussianBlur(picture, (0, 0), 1.5) for picture in view_of(seed))
        spoiled = levels(lambda p: p + RNG.normal(0, 45, p.shape))(y)
        assert faults(x, spoiled) & {"noisy", "noise"}
        assert faults(x, y) == set()


def test_noise_in_blotches_is_told_from_structure() -> None:
    """By the correlation 8 pixels apart, so where the input has some."""
    told = 0
    for seed in range(20):
        x, _ = view_of(seed)
        blotches = cv2.resize(RNG.uniform(0, 255, (16, 16, 3)), (64, 64), interpolation=cv2.INTER_CUBIC)
        if pixel_statistics(x).autocorrelation_8 > 0.5:
            told += 1
            assert faults(x, blotches.clip(0, 255).astype(np.uint8)) == {"blotchy"}
    assert told >= 3


def test_good_views_have_no_fault() -> None:
    for seed in range(20):
        assert faults(*view_of(seed)) == set()


def test_bright_against_a_dim_input() -> None:
    x, y = view_of(3)
    assert "too_bright" in faults(levels(lambda p: 0.3 * p)(x), levels(lambda p: 0.3 * p + 160)(y))


def test_an_empty_view_is_told_by_coverage() -> None:
    x = np.full((64, 64, 3), 120, np.uint8)
    cv2.rectangle(x, (8, 8), (55, 55), (200, 180, 40), -1)
    y = np.full((64, 64, 3), 120, np.uint8)
    cv2.rectangle(y, (28, 24), (38, 42), (230, 230, 240), -1)
    assert "coverage" in faults(x, y)


def test_a_copy_is_told_by_hash_and_thumbnail() -> None:
    x, y = view_of(0)
    assert "copy" in faults(x, x, PairStatistics(thumbnail_difference=1, dhash_bits=1))
    assert "copy" not in faults(x, y, PairStatistics(thumbnail_difference=1, dhash_bits=9))


def test_darkness_is_not_told_as_other_faults_too() -> None:
    x, y = view_of(2)
    assert faults(x, CORRUPTIONS["dark"](y)) == {"dark"}


def test_a_dark_input_with_a_view_alike_is_no_fault() -> None:
    night = levels(lambda p: 0.35 * p)
    assert faults(night(view_of(5)[0]), night(view_of(5)[1])) == set()


def test_an_object_before_black_is_not_dark() -> None:
    x = np.zeros((64, 64, 3), np.uint8)
    y = x.copy()
    x[24:40, 24:40] = 200
    y[26:38, 26:38] = 200
    assert "dark" not in faults(x, y)


def test_thresholds_decide() -> None:
    x, y = view_of(1)
    half = levels(lambda p: 0.6 * p)(y)
    strict = QualityGate(min_brightness_ratio=0.9)
    apart = PairStatistics(thumbnail_difference=30, dhash_bits=20)
    assert faults(x, half) == set()
    found = pair_faults(pixel_statistics(x), pixel_statistics(half), apart, strict)
    assert [fault.id for fault in found] == ["dark"]
