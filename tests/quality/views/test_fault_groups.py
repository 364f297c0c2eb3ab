"""Faults of single views, counted over the scenes: each is named, with its figures."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import cv2
import numpy as np

from gonogo.verdict import Status
from tests.quality.conftest import Inspect

from .sets import WIDE_ANGLES, changed, check, darkened, scenes, stopped


def test_dark_views_are_stopped_and_named(inspect: Inspect) -> None:
    found = inspect(changed(scenes(), darkened))
    darkness = check(found, "darkness")
    assert stopped(found) == ["darkness", "bad_items"]
    assert re.search(r"views are black: mean luminance 0\.0[12] against 0\.[345]\d at the input", darkness.why)
    assert "cameras see the cloud and yet the picture is dark" in darkness.why
    assert "48 of 48 views, in 6 of 6 scenes" in darkness.why
    assert found.cause == "GENERATOR"
    assert darkness.evidence[0].endswith("rgb.png")
    assert Path(darkness.evidence[0]).exists()


def test_only_side_views_bad_is_stopped_and_the_angle_named(inspect: Inspect) -> None:
    made = scenes(angles_deg=WIDE_ANGLES)
    for scene in made:
        scene.views[0] = (0.05 * scene.views[0]).astype(np.uint8)
        scene.views[7] = (0.05 * scene.views[7]).astype(np.uint8)
    found = inspect(made)
    side = check(found, "side_views")
    assert stopped(found) == ["side_views", "bad_items"]  # two of eight views alone would be tolerated
    assert "views beyond 30° are black" in side.why
    assert "12 of 24 views" in side.why
    assert "nearer ones: 0 of 24" in side.why


def test_all_side_views_bad_is_told_as_such(inspect: Inspect) -> None:
    made = scenes(angles_deg=WIDE_ANGLES)
    for scene in made:
        dark = [(0.05 * view).astype(np.uint8) for view in scene.views]
        scene.views = [*dark[:2], *scene.views[2:6], *dark[6:]]
    why = check(inspect(made), "darkness").why
    assert re.match(r"views beyond 30° are black: mean luminance 0\.0[12] against 0\.[345]\d at the input; ", why)
    assert "24 of 48 views" in why


def test_good_side_views_go(inspect: Inspect) -> None:
    found = inspect(scenes(angles_deg=WIDE_ANGLES))
    assert found.status is Status.GO
    assert check(found, "side_views").value == 0


def test_noise(inspect: Inspect) -> None:
    rng = np.random.default_rng(0)
    found = inspect(changed(scenes(), lambda view: rng.uniform(0, 255, view.shape)))
    assert stopped(found) == ["noise", "bad_items"]
    assert found.cause == "DATA"


def test_blur_and_flatness(inspect: Inspect, tmp_path: Path) -> None:
    blurred = changed(scenes(), lambda view: cv2.GaussianBlur(view, (0, 0), 5))
    assert stopped(inspect(blurred)) == ["sharpness", "bad_items"]
    shutil.rmtree(tmp_path / "data")
    flat = changed(scenes(), lambda view: 0.1 * view + 110)
    assert stopped(inspect(flat)) == ["contrast", "bad_items"]


def test_copies_of_the_input(inspect: Inspect) -> None:
    made = scenes()
    for scene in made:
        scene.views = [scene.image] * len(scene.views)
    found = inspect(made)
    assert "copy" in stopped(found)
    assert "copies of their input" in check(found, "copy").why


def test_views_from_beside_the_input_may_look_like_it(inspect: Inspect) -> None:
    found = inspect(scenes(angles_deg=tuple(np.linspace(-2, 2, 8))))
    assert found.status is Status.GO
    assert check(found, "copy").why == ""


def test_one_view_for_all_poses_of_a_scene(inspect: Inspect) -> None:
    made = scenes()
    for scene in made:
        scene.views = [scene.views[0]] * 8
    assert "repeats" in stopped(inspect(made))


def test_an_input_as_dark_as_its_views_is_a_data_fault(inspect: Inspect) -> None:
    made = changed(scenes(), darkened)
    for scene in made:
        scene.image = (0.02 * scene.image).astype(np.uint8)
    found = inspect(made)
    assert "darkness" in stopped(found)
    assert found.cause == "DATA"


def test_few_bad_scenes_are_cautioned_and_named(inspect: Inspect) -> None:
    found = inspect(changed(scenes(10), darkened, bad=2))
    assert found.status is Status.CAUTION
    assert "in 2 of 10 scenes (image_0000, image_0001)" in check(found, "darkness").why
    assert "2 of 10 scenes are bad" in check(found, "bad_items").why
    assert [scene.name for scene in found.worst[:2]] == ["image_0000", "image_0001"]


def test_a_single_dark_view_is_tolerated_and_told(inspect: Inspect) -> None:
    made = scenes()
    made[3].views[2] = np.zeros_like(made[3].views[2])
    found = inspect(made)
    assert found.status is Status.GO
    assert check(found, "darkness").why == "1 of 48 views: image_0003/view_002"
    assert found.worst[0].name == "image_0003"


def test_dark_views_without_poses_are_a_data_fault(inspect: Inspect) -> None:
    def forget(folder: Path) -> None:
        for path in folder.rglob("pose.json"):
            path.unlink()

    found = inspect(changed(scenes(), darkened), forget)
    assert "darkness" in stopped(found)
    assert found.cause == "DATA"


def test_inputs_of_one_colour_stop(inspect: Inspect) -> None:
    made = scenes()
    for scene in made:
        scene.image = np.full_like(scene.image, 120)
    assert "inputs" in stopped(inspect(made))


def test_the_other_side_of_a_thing_may_be_its_mirror_image(inspect: Inspect) -> None:
    made = scenes(angles_deg=tuple(np.linspace(150, 180, 8)))
    for scene in made:
        scene.views = [scene.image[:, ::-1].copy() for _ in scene.views]
    found = inspect(made)
    assert "orientation" not in stopped(found)
