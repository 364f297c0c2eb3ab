"""Every corruption is named, and what is merely unusual is not."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.pictures.measurements import ImageStatistics, PairStatistics
from gonogo.quality.pictures.pixels import pixel_statistics
from gonogo.quality.pictures.sample import take_sample
from gonogo.quality.pictures.statistics import pair_statistics
from gonogo.quality.views.pairs import pair_faults

from .scenes import PHOTOGRAPHS, make_scene

RNG = np.random.default_rng(7)
GATE = QualityGate()
Change = Callable[[np.ndarray], np.ndarray]


def faults(x: np.ndarray, y: np.ndarray, gate: QualityGate = GATE) -> set[str]:
    own, other = measured(x), measured(y)
    pair = pair_statistics(own, other)
    assert pair is not None
    return {fault.id for fault in pair_faults(own.pixels, other.pixels, pair, gate)}


def measured(picture: np.ndarray) -> ImageStatistics:
    return ImageStatistics(pixels=pixel_statistics(picture), thumbnail=take_sample(picture).thumbnail)


def view_of(seed: int) -> tuple[np.ndarray, np.ndarray]:
    scene = make_scene(seed)
    return scene.image, scene.views[1]


def colourful(name: str, size: int = 128) -> np.ndarray:
    """The middle of a photograph that has colours and a layout."""
    picture = cv2.imread(str(PHOTOGRAPHS / f"{name}.jpg"))
    side = min(picture.shape[:2])
    top, left = ((extent - side) // 2 for extent in picture.shape[:2])
    return cv2.resize(picture[top : top + side, left : left + side], (size, size), interpolation=cv2.INTER_AREA)


def nearer(picture: np.ndarray) -> np.ndarray:
    """What a camera sees that moved on by an eighth."""
    size = picture.shape[0]
    return cv2.resize(picture[size // 8 : -size // 8, size // 8 : -size // 8], (size, size))


def levels(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda picture: np.clip(change(picture.astype(float)), 0, 255).astype(np.uint8)


def lines_lost(picture: np.ndarray) -> np.ndarray:
    spoiled = picture.copy()
    spoiled[3::5] = 0
    return spoiled


def rows_stuck(picture: np.ndarray) -> np.ndarray:
    spoiled = picture.copy()
    spoiled[len(picture) // 2 :] = spoiled[len(picture) // 2]
    return spoiled


def tiles_shuffled(picture: np.ndarray) -> np.ndarray:
    rows = [np.hstack(np.hsplit(band, 4)[::-1]) for band in np.vsplit(picture, 4)]
    return np.vstack([rows[place] for place in (2, 0, 3, 1)])


def specks(picture: np.ndarray) -> np.ndarray:
    spoiled = picture.copy()
    spoiled[np.random.default_rng(0).random(picture.shape[:2]) < 0.08] = 255
    return spoiled


def sheared(picture: np.ndarray) -> np.ndarray:
    """Each row begins where the one before ended, and a little later: a wrong stride."""
    return np.stack([np.roll(row, 5 * at, axis=0) for at, row in enumerate(picture)])


def interlaced(picture: np.ndarray) -> np.ndarray:
    spoiled = picture.copy()
    spoiled[::2] = np.roll(spoiled[::2], 8, axis=1)
    return spoiled


def blotches(picture: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(3).normal(128, 60, (8, 8, 3)).astype(np.float32)
    added = cv2.resize(noise, picture.shape[:2], interpolation=cv2.INTER_CUBIC) - 128
    return (picture + added).clip(0, 255).astype(np.uint8)


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


BROKEN: dict[str, tuple[str, Change]] = {
    "lines lost": ("seams", lines_lost),
    "rows stuck": ("repeated_lines", rows_stuck),
    "pixelated": ("repeated_lines", lambda p: cv2.resize(p[4::8, 4::8], (128, 128), interpolation=cv2.INTER_NEAREST)),
    "tiles shuffled": ("blocks", tiles_shuffled),
    "coarse JPEG": ("blocks", lambda p: cv2.imdecode(cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 3])[1], 1)),
    "half black": ("black_parts", lambda p: p * (np.arange(128) < 64).astype(np.uint8)[:, None, None]),
    "few levels": ("few_levels", levels(lambda p: p // 86 * 86)),
    "specks": ("specks", specks),
    "negative": ("inverted", lambda p: 255 - p),
    "upside down": ("upside_down", lambda p: p[::-1].copy()),
    "mirrored": ("mirrored", lambda p: p[:, ::-1].copy()),
    "red for blue": ("colours", lambda p: p[..., ::-1].copy()),
    "no red": ("colours", lambda p: p * np.array([1, 1, 0], np.uint8)),
    "grey": ("colours", lambda p: np.repeat(p.mean(2, keepdims=True), 3, 2).astype(np.uint8)),
    "sheared": ("streaks", sheared),
    "interlaced": ("streaks", interlaced),
    "colour blotches": ("foreign_colours", blotches),
    "sepia": ("colours", levels(lambda p: p.mean(2, keepdims=True) * [0.5, 0.8, 1.1])),
    "green cast": ("colours", levels(lambda p: p * [0.4, 1.2, 0.4])),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_a_picture_is_named(name: str) -> None:
    fault, spoil = BROKEN[name]
    x = colourful("china")
    assert fault in faults(x, spoil(nearer(x)))


def test_axes_that_were_exchanged_are_told() -> None:
    x = colourful("coffee")
    y = nearer(x)
    assert [faults(x, turned.copy()) for turned in (np.rot90(y), y.transpose(1, 0, 2))] == [{"quarter"}] * 2


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "china", "coffee", "flower", "motorcycle"])
def test_what_nobody_would_blame_passes(name: str) -> None:
    """A nearer camera, a quarter more or less light, half the contrast, grain, a little blur, JPEG, warmer light."""
    x = colourful(name)
    y = nearer(x)
    mild: list[Change] = [
        lambda p: p,
        levels(lambda p: 0.75 * p),
        levels(lambda p: 0.5 * p + 60),
        levels(lambda p: p + np.random.default_rng(0).normal(0, 10, p.shape)),
        lambda p: cv2.GaussianBlur(p, (0, 0), 0.8),
        lambda p: cv2.imdecode(cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], 1),
        levels(lambda p: p * [0.85, 1, 1.15]),
    ]
    assert [faults(x, change(y)) for change in mild] == [set()] * len(mild)


def test_noise_over_a_smooth_picture() -> None:
    for seed in range(8):
        x, y = (cv2.GaussianBlur(picture, (0, 0), 1.5) for picture in view_of(seed))
        spoiled = levels(lambda p: p + RNG.normal(0, 45, p.shape))(y)
        assert faults(x, spoiled) & {"noisy", "noise"}
        assert faults(x, y) == set()


def test_noise_in_blotches_is_told_from_structure() -> None:
    for seed in range(20):
        x, _ = view_of(seed)
        blotches = cv2.resize(RNG.uniform(0, 255, (16, 16, 3)), (64, 64), interpolation=cv2.INTER_CUBIC)
        assert "blotchy" in faults(x, blotches.clip(0, 255).astype(np.uint8))


def test_good_views_have_no_fault() -> None:
    for seed in range(20):
        assert faults(*view_of(seed)) == set()


def test_bright_against_a_dim_input() -> None:
    x, y = view_of(3)
    assert "too_bright" in faults(levels(lambda p: 0.3 * p)(x), levels(lambda p: 0.3 * p + 160)(y))


def test_an_empty_view_is_told_by_coverage() -> None:
    x = np.full((64, 64, 3), 120, np.uint8)
    cv2.rectangle(x, (8, 8), (55, 55), (200, 220, 240), -1)
    y = np.full((64, 64, 3), 120, np.uint8)
    cv2.rectangle(y, (28, 24), (38, 42), (230, 230, 240), -1)
    assert "coverage" in faults(x, y)


def test_a_copy_is_told_by_hash_and_thumbnail() -> None:
    x, y = view_of(0)
    assert "copy" in faults(x, x)
    astronaut = colourful("astronaut")
    saved_again = cv2.imdecode(cv2.imencode(".jpg", astronaut, [cv2.IMWRITE_JPEG_QUALITY, 95])[1], 1)
    assert "copy" in faults(astronaut, saved_again)
    assert "copy" not in faults(x, y)
    moved_a_little = PairStatistics(thumbnail_difference=1.4, dhash_bits=9)
    assert pair_faults(pixel_statistics(x), pixel_statistics(x), moved_a_little, GATE) == []


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
    assert faults(x, half) == set()
    assert faults(x, half, QualityGate(min_brightness_ratio=0.9)) == {"dark"}
