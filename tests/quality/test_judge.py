"""The gate on whole data sets: what is wrong is stopped and named, and good data is not."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.judge import judge
from gonogo.quality.judgement import Judgement
from gonogo.verdict import Check, Status

from .conftest import Inspect, measure_views
from .scenes import GOOD_ANGLES, Scene, make_scene, write

WIDE_ANGLES = tuple(np.linspace(-50, 50, 8))


def scenes(count: int = 6, **how: object) -> list[Scene]:
    return [make_scene(seed, **how) for seed in range(count)]  # type: ignore[arg-type]


def changed(made: list[Scene], change: Callable[[np.ndarray], np.ndarray], bad: int | None = None) -> list[Scene]:
    """The views of the first `bad` scenes changed, of all for None."""
    for scene in made[:bad]:
        scene.views = [np.clip(change(view.astype(float)), 0, 255).astype(np.uint8) for view in scene.views]
    return made


def darkened(view: np.ndarray) -> np.ndarray:
    return 0.05 * view


def check(judgement: Judgement, id: str) -> Check:
    return next(check for check in judgement.checks if check.id == id)


def stopped(judgement: Judgement) -> list[str]:
    return [check.id for check in judgement.checks if check.status is Status.NO_GO]


def test_good_data_goes(inspect: Inspect) -> None:
    found = inspect(scenes(10))
    assert {check.status for check in found.checks} == {Status.GO}
    assert found.cause == ""
    assert check(found, "bad_items").why == "none of 10 scenes is bad"
    assert found.more == 0
    assert not any(scene.bad for scene in found.worst)
    checks, cause = found
    assert (checks, cause) == (found.checks, found.cause)


def test_no_false_alarm_in_sixty_good_scenes(tmp_path: Path) -> None:
    good = [make_scene(seed, WIDE_ANGLES if seed % 2 else GOOD_ANGLES) for seed in range(100, 160)]
    folder = write(tmp_path, good)
    found = judge(measure_views([folder]), QualityGate())
    assert found.items == 60
    assert found.bad == 0
    assert found.status is Status.GO


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


def test_one_view_for_all_poses_of_a_scene(inspect: Inspect) -> None:
    made = scenes()
    for scene in made:
        scene.views = [scene.views[0]] * 8
    assert "repeats" in stopped(inspect(made))


def test_an_orbit_off_the_cloud_is_a_camera_fault(inspect: Inspect) -> None:
    found = inspect(scenes(angles_deg=tuple(np.arange(8) * 45.0), orbit=(0, 0, 0), radius=2.0))
    cameras = check(found, "cameras")
    assert found.cause == "CAMERA"
    assert {"darkness", "cameras"} <= set(stopped(found))
    assert "the cameras show too little" in check(found, "darkness").why
    assert "views 002, 003, 004, 005, 006 see 0 % of the input's points" in cameras.why
    assert "coverage per view: 000 35 %, 001 13 %, 002 0 %" in cameras.why
    assert cameras.hint.startswith("Orbit the cloud's centre (0.0, 0.0, -3.0) instead of the origin")


def test_cameras_too_far_away_are_a_camera_fault(inspect: Inspect) -> None:
    found = inspect(scenes(radius=9.0))
    assert {"darkness", "cameras"} <= set(stopped(found))
    assert found.cause == "CAMERA"
    assert check(found, "cameras").hint.startswith("Move the cameras nearer")


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


def test_three_bad_scenes_of_ten_stop(inspect: Inspect) -> None:
    assert inspect(changed(scenes(10), darkened, bad=3)).status is Status.NO_GO


def test_a_clean_sample_of_ten_asks_for_eight_more(inspect: Inspect) -> None:
    found = inspect(scenes(10), sampled=True)
    overall = check(found, "bad_items")
    assert (found.status, found.more) == (Status.UNKNOWN, 8)
    assert "0 % to 26 % may be bad (95 % confidence); undecided: 8 more are needed" in overall.why
    assert all(other.status is Status.GO for other in found.checks if other is not overall)


def test_a_clean_sample_of_eighteen_passes(inspect: Inspect) -> None:
    found = inspect(scenes(18), sampled=True)
    assert (found.status, found.more) == (Status.GO, 0)


def test_a_sample_that_is_bad_asks_for_nothing(inspect: Inspect) -> None:
    found = inspect(changed(scenes(10), darkened, bad=4), sampled=True)
    assert (found.status, found.more) == (Status.NO_GO, 0)


def test_a_single_dark_view_is_tolerated_and_told(inspect: Inspect) -> None:
    made = scenes()
    made[3].views[2] = np.zeros_like(made[3].views[2])
    found = inspect(made)
    assert found.status is Status.GO
    assert check(found, "darkness").why == "1 of 48 views: image_0003/view_002"
    assert found.worst[0].name == "image_0003"


def test_one_scene_all_bad_stops(inspect: Inspect) -> None:
    assert inspect(changed(scenes(1), darkened)).status is Status.NO_GO


def test_one_truncated_file_is_cautioned(inspect: Inspect) -> None:
    def truncate(folder: Path) -> None:
        path = folder / "image_0004" / "view_003" / "rgb.png"
        path.write_bytes(path.read_bytes()[:900])

    found = inspect(scenes(), truncate)
    assert found.status is Status.CAUTION
    assert found.worst[0].name == "image_0004"
    assert found.worst[0].bad
    assert "image_0004/view_003/rgb.png: truncated" in check(found, "unreadable").why


def test_files_unreadable_for_the_most_part_stop(inspect: Inspect) -> None:
    def ruin(folder: Path) -> None:
        for path in [*folder.rglob("rgb.png"), *folder.rglob("depth.npy")]:
            path.write_bytes(b"")

    found = inspect(scenes(), ruin)
    assert "unreadable" in stopped(found)
    assert found.cause == "UNREADABLE"


def test_no_tolerance_covers_unreadable_files(tmp_path: Path) -> None:
    folder = write(tmp_path, scenes(4))
    for path in [*folder.rglob("rgb.png"), *folder.rglob("depth.npy")]:
        path.write_bytes(b"")
    found = judge(measure_views([folder]), QualityGate(max_bad_items=1))
    assert stopped(found) == ["unreadable"]


def test_inputs_that_cannot_be_read_never_go(inspect: Inspect) -> None:
    def ruin(folder: Path) -> None:
        for path in folder.rglob("input.png"):
            path.write_bytes(path.read_bytes()[:300])

    found = inspect(scenes(), ruin)
    assert found.status is Status.NO_GO
    assert found.cause == "UNREADABLE"


def test_without_poses_the_cameras_are_not_judged_and_that_is_said(inspect: Inspect) -> None:
    def forget(folder: Path) -> None:
        for path in folder.rglob("pose.json"):
            path.unlink()

    found = inspect(scenes(), forget)
    cameras = check(found, "cameras")
    assert (cameras.status, cameras.value) == (Status.CAUTION, None)
    assert "not judged" in cameras.why
    assert found.cause == ""
    assert {c.status for c in found.checks if c.id != "cameras"} == {Status.GO}


def test_views_without_a_pose_among_others_are_counted(inspect: Inspect) -> None:
    def forget(folder: Path) -> None:
        for view in range(3):
            (folder / "image_0002" / f"view_{view:03d}" / "pose.json").unlink()

    cameras = check(inspect(scenes(), forget), "cameras")
    assert cameras.status is Status.CAUTION
    assert cameras.why == "3 of 48 views have no pose or no depth to judge them by"


def test_dark_views_without_poses_are_a_data_fault(inspect: Inspect) -> None:
    def forget(folder: Path) -> None:
        for path in folder.rglob("pose.json"):
            path.unlink()

    found = inspect(changed(scenes(), darkened), forget)
    assert "darkness" in stopped(found)
    assert found.cause == "DATA"


def test_half_the_views_missing_in_half_the_scenes(inspect: Inspect) -> None:
    def remove(folder: Path) -> None:
        for scene in range(0, 6, 2):
            for view in range(4, 8):
                shutil.rmtree(folder / f"image_{scene:04d}" / f"view_{view:03d}")

    found = inspect(scenes(), remove)
    assert {"view_count", "bad_items"} <= set(stopped(found))
    assert "image_0000: 4 views, not 8" in check(found, "view_count").why


def test_a_set_that_is_mostly_without_views_is_stopped(inspect: Inspect) -> None:
    def remove(folder: Path) -> None:
        for path in list(folder.glob("*/view_*"))[8:]:
            shutil.rmtree(path)

    found = inspect(scenes(), remove)
    assert "5 of 6 scenes do not have 8 views" in check(found, "view_count").why
    assert found.status is Status.NO_GO


def test_scenes_without_views_cannot_be_judged(inspect: Inspect) -> None:
    def remove(folder: Path) -> None:
        for path in folder.glob("*/view_*"):
            shutil.rmtree(path)

    found = inspect(scenes(), remove)
    assert found.status is Status.UNKNOWN


def test_copied_inputs_and_other_modes_are_cautioned(inspect: Inspect) -> None:
    def spoil(folder: Path) -> None:
        shutil.copy(folder / "image_0001" / "input.png", folder / "image_0005" / "input.png")
        path = str(folder / "image_0002" / "view_001" / "rgb.png")
        cv2.imwrite(path, cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2GRAY))

    found = inspect(scenes(), spoil)
    assert found.status is Status.CAUTION
    assert any("image_0005" in check.why and "image_0001" in check.why for check in found.checks)
    assert "1 of 54 pictures are grey8" in check(found, "format").why


def test_inputs_of_one_colour_stop(inspect: Inspect) -> None:
    made = scenes()
    for scene in made:
        scene.image = np.full_like(scene.image, 120)
    assert "inputs" in stopped(inspect(made))


def test_thresholds_come_from_the_gate(tmp_path: Path) -> None:
    measured = measure_views([write(tmp_path, changed(scenes(), darkened, bad=2))])
    assert judge(measured, QualityGate(max_bad_items=0)).status is Status.NO_GO
    assert judge(measured, QualityGate(max_bad_items=0.5)).status is Status.GO
    assert judge(measured, QualityGate(min_brightness_ratio=0.01, dark_p99=0, dark_p95=0)).checks[1].status is Status.GO


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


def test_the_other_side_of_a_thing_may_be_its_mirror_image(inspect: Inspect) -> None:
    made = scenes(angles_deg=tuple(np.linspace(150, 180, 8)))
    for scene in made:
        scene.views = [scene.image[:, ::-1].copy() for _ in scene.views]
    found = inspect(made)
    assert "orientation" not in stopped(found)
