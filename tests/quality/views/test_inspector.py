"""Sets of posed views: what is wrong is stopped and named, and good data is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.judge import judge
from gonogo.verdict import Status
from tests.quality.conftest import Inspect, measure_views
from tests.quality.scenes import GOOD_ANGLES, make_scene, write

from .sets import WIDE_ANGLES, changed, check, darkened, scenes, stopped


def test_good_data_goes(inspect: Inspect) -> None:
    found = inspect(scenes(10))
    assert {check.status for check in found.checks if not check.grey} == {Status.GO}
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


def test_three_bad_scenes_of_ten_stop(inspect: Inspect) -> None:
    assert inspect(changed(scenes(10), darkened, bad=3)).status is Status.NO_GO


def test_a_clean_sample_of_ten_asks_for_eight_more(inspect: Inspect) -> None:
    found = inspect(scenes(10), sampled=True)
    overall = check(found, "bad_items")
    assert (found.status, found.more) == (Status.UNKNOWN, 8)
    assert "0 % to 26 % may be bad (95 % confidence); undecided: 8 more are needed" in overall.why
    assert all(other.status is Status.GO or other.grey for other in found.checks if other is not overall)


def test_a_clean_sample_of_eighteen_passes(inspect: Inspect) -> None:
    found = inspect(scenes(18), sampled=True)
    assert (found.status, found.more) == (Status.GO, 0)


def test_a_sample_that_is_bad_asks_for_nothing(inspect: Inspect) -> None:
    found = inspect(changed(scenes(10), darkened, bad=4), sampled=True)
    assert (found.status, found.more) == (Status.NO_GO, 0)


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


def test_thresholds_come_from_the_gate(tmp_path: Path) -> None:
    measured = measure_views([write(tmp_path, changed(scenes(), darkened, bad=2))])
    assert judge(measured, QualityGate(max_bad_items=0)).status is Status.NO_GO
    assert judge(measured, QualityGate(max_bad_items=0.5)).status is Status.GO
    assert judge(measured, QualityGate(min_brightness_ratio=0.01, dark_p99=0, dark_p95=0)).checks[1].status is Status.GO
