"""Points that agree on one camera motion tell a view of the same scene from any other picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from gonogo.quality.pictures.matching import LEAST_SIDE, TELLING_INLIERS, inliers, inliers_of_files
from tests.quality.scenes import make_scene

SEEDS = range(12)


def telling(counts: list[int | None]) -> float:
    return sum((count or 0) >= TELLING_INLIERS for count in counts) / len(counts)


def test_views_of_the_scene_agree_and_others_do_not() -> None:
    scenes = [make_scene(seed) for seed in SEEDS]
    right = [inliers(scene.image, scene.views[2]) for scene in scenes]
    turned = [inliers(scene.image, scene.views[2][::-1].copy()) for scene in scenes]
    mirrored = [inliers(scene.image, scene.views[2][:, ::-1].copy()) for scene in scenes]
    assert telling(right) >= 0.9
    assert telling(turned) <= 0.2
    assert telling(mirrored) <= 0.2


def test_noise_shows_no_scene() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert all(inliers(make_scene(seed).image, noise) < TELLING_INLIERS for seed in SEEDS)


@pytest.mark.parametrize("view", [np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 200, np.uint8)])
def test_a_view_without_points_agrees_on_nothing(view: np.ndarray) -> None:
    assert inliers(make_scene(0).image, view) == 0


def test_what_cannot_be_told_is_none() -> None:
    scene = make_scene(0)
    small = LEAST_SIDE - 1
    assert inliers(scene.image[:small], scene.views[2]) is None
    assert inliers(np.full((64, 64, 3), 90, np.uint8), scene.views[2]) is None


def test_files_are_read_and_one_that_cannot_be_is_none(tmp_path: Path) -> None:
    scene = make_scene(0)
    x, y = tmp_path / "input.png", tmp_path / "view.png"
    cv2.imwrite(str(x), scene.image)
    cv2.imwrite(str(y), scene.views[3])
    assert inliers_of_files(x, y) == inliers(scene.image, scene.views[3])
    assert inliers_of_files(x, tmp_path / "absent.png") is None
