"""The set as a whole: views belong to their inputs, differ, and show their scene."""

from __future__ import annotations

import numpy as np
import pytest

from gonogo.verdict import Status
from tests.quality.conftest import Inspect

from .sets import check, scenes, stopped


def test_shuffled_pairs(inspect: Inspect) -> None:
    made = scenes()
    views = [scene.views for scene in made]
    for index, scene in enumerate(made):
        scene.views = views[(index + 1) % len(made)]
    found = inspect(made)
    assert "pairing" in stopped(found)
    assert "do not belong to their input" in check(found, "pairing").why
    assert found.cause == "DATA"


def test_every_view_the_same(inspect: Inspect) -> None:
    made = scenes()
    for scene in made:
        scene.views = [made[0].views[0]] * 8
    found = inspect(made)
    assert {"repeats", "view_variance"} <= set(stopped(found))
    assert "every view is nearly the same" in check(found, "view_variance").why


@pytest.mark.parametrize("count", [1, 2])
def test_few_scenes_give_no_certainty_about_the_set(inspect: Inspect, count: int) -> None:
    made = scenes(count)
    if count == 2:
        made[0].views, made[1].views = made[1].views, made[0].views
    found = inspect(made)
    assert check(found, "pairing").status is Status.CAUTION


def test_a_views_points_are_found_in_its_input(inspect: Inspect) -> None:
    assert check(inspect(scenes(8)), "matches").value == 8


def test_views_of_other_pictures_do_not_show_their_inputs_scene(inspect: Inspect) -> None:
    """A warning beside what else is said of them."""
    made = scenes(8)
    for scene, other in zip(made, [*scenes(16)[8:]], strict=True):
        scene.views = other.views
    found = check(inspect(made), "matches")
    assert found.status is Status.CAUTION and int(found.value or 0) <= 2
    assert "nearest views" in found.why


ONE_OF_FOUR = {
    "black": np.zeros_like,
    "noisy": lambda view: np.random.default_rng(int(view.sum()) % 999).uniform(0, 255, view.shape),
    "negative": lambda view: 255 - view,
}


@pytest.mark.parametrize("fault", ONE_OF_FOUR)
def test_one_bad_view_of_four_in_every_scene_stops(inspect: Inspect, fault: str) -> None:
    made = scenes(8, angles_deg=(-20, -8, 8, 20))
    for scene in made:
        scene.views[2] = np.clip(ONE_OF_FOUR[fault](scene.views[2].astype(float)), 0, 255).astype(np.uint8)
    found = inspect(made)
    bad = check(found, "bad_views")
    assert "bad_views" in stopped(found) and "of 32 views" in bad.why
    assert len([path for path in bad.evidence if path.endswith("view_002/rgb.png")]) >= 2
    identical = check(found, "identical_views")
    assert (identical.status is not Status.GO) == (fault == "black")
