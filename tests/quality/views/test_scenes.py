"""Measuring: everything on disk is read once and accounted for; a bad file is a finding."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from gonogo.base.errors import UserError
from gonogo.quality.items import Fault, FileProblem
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.views.findings import explained_by_pose
from gonogo.quality.views.measurements import SceneMeasurement
from gonogo.quality.views.overview import SceneOverview
from gonogo.stages.freshness import data_digest
from tests.quality.conftest import findings, measure_views
from tests.quality.scenes import GOOD_ANGLES, make_scene, write


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("views"), [make_scene(seed) for seed in range(10)])


@pytest.fixture(scope="module")
def measured(data: Path) -> MeasuredSet:
    return measure_views([data])


@pytest.fixture
def copy(data: Path, tmp_path: Path) -> Path:
    return shutil.copytree(data, tmp_path / "copy")


def scenes_of(data: MeasuredSet) -> list[SceneMeasurement]:
    return list(data.items(SceneMeasurement))


def problems_of(data: MeasuredSet) -> list[FileProblem]:
    return [problem for scene in scenes_of(data) for problem in scene.problems]


def overview_of(data: MeasuredSet) -> SceneOverview:
    overview = SceneOverview()
    for scene in scenes_of(data):
        overview.add(scene)
    overview.close()
    return overview


def nearer(data: MeasuredSet) -> list[float]:
    return [view.nearer for scene in findings(data) for view in scene.views if view.nearer is not None]


def test_every_view_is_measured(measured: MeasuredSet) -> None:
    scenes = scenes_of(measured)
    assert [len(scene.views) for scene in scenes] == [8] * 10
    assert problems_of(measured) == []
    assert sum(scene.files for scene in scenes) == 10 * (2 + 3 * 8)
    for scene in scenes:
        assert [view.angle_deg for view in scene.views] == pytest.approx(GOOD_ANGLES)
        assert scene.cloud_centre == pytest.approx((0, 0, -3), abs=0.05)
        assert scene.look_at == pytest.approx((0, 0, -3), abs=0.05)
        for view in scene.views:
            assert view.rendered_share is not None
            assert view.visible_points_share is not None
            assert 0.7 < view.rendered_share < 1
            assert 0.7 < view.visible_points_share <= 1
            assert view.cloud_frame_share == pytest.approx(view.rendered_share, abs=0.08)
            assert view.cloud_off_axis_deg == pytest.approx(0, abs=1)


def test_the_set(measured: MeasuredSet) -> None:
    ratio = overview_of(measured).variance_ratio
    assert ratio is not None and 0.5 < ratio < 2
    assert len(nearer(measured)) == 80
    assert np.mean(nearer(measured)) > 0.95


def test_pairing_looks_past_brightness_and_contrast(measured: MeasuredSet, copy: Path) -> None:
    for path in copy.rglob("rgb.png"):
        cv2.imwrite(str(path), cv2.convertScaleAbs(cv2.imread(str(path)), alpha=0.3, beta=100))
    assert nearer(measure_views([copy])) == pytest.approx(nearer(measured), abs=0.12)


def test_pictures_of_one_colour_belong_to_no_input(copy: Path) -> None:
    for path in copy.rglob("rgb.png"):
        cv2.imwrite(str(path), np.full((64, 64, 3), 80, np.uint8))
    assert set(nearer(measure_views([copy]))) == {0.5}


def test_the_digest_is_that_of_the_files(data: Path, copy: Path) -> None:
    (copy / "notes.txt").write_text("not a scene")
    (copy / "image_0000" / "extra.bin").write_bytes(b"1")
    before = measure_views([copy]).inputs_digest
    assert before == data_digest([copy]) != data_digest([data])
    (copy / "image_0000" / "extra.bin").write_bytes(b"2")
    assert measure_views([copy]).inputs_digest == data_digest([copy]) != before


def test_parts_are_judged_as_one_set(copy: Path, measured: MeasuredSet, tmp_path: Path) -> None:
    """To the last digit, whatever the order of the parts."""
    second = tmp_path / "second"
    second.mkdir()
    for index in range(5, 10):
        shutil.move(copy / f"image_{index:04d}", second)
    parts = measure_views([second, copy])
    assert parts.inputs_digest == data_digest([second, copy])
    assert overview_of(parts).variance_ratio == overview_of(measured).variance_ratio
    whole = {scene.name: scene for scene in findings(measured)}
    for scene in findings(parts):
        assert [(v.nearer, v.faults) for v in scene.views] == [(v.nearer, v.faults) for v in whole[scene.name].views]


def test_progress_is_told_for_every_scene(data: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    measure_part("views", data, tmp_path / "m", lambda done, total: seen.append((done, total)))
    assert seen == [(done, 10) for done in range(1, 11)]


def test_nothing_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no scene here"):
        measure_views([tmp_path])
    with pytest.raises(UserError, match="no such folder"):
        measure_views([tmp_path / "absent"])


def test_a_measurement_of_another_version_is_refused_by_name(data: Path, tmp_path: Path) -> None:
    measure_part("views", data, tmp_path / "m")
    lines = (tmp_path / "m" / "items.jsonl").read_text().splitlines()
    (tmp_path / "m" / "items.jsonl").write_text("\n".join([*lines[:3], lines[3][:200]]) + "\n")
    with pytest.raises(UserError, match=r"items\.jsonl: not a measurement of this version"):
        scenes_of(MeasuredSet.read(tmp_path / "m"))


def test_bad_files_are_findings_with_their_reason(copy: Path) -> None:
    scene = copy / "image_0001"
    picture, depth = scene / "view_000" / "rgb.png", scene / "view_001" / "depth.npy"
    picture.write_bytes(picture.read_bytes()[:500])
    depth.write_bytes(depth.read_bytes()[:5000])
    (scene / "view_002" / "pose.json").write_text("{")
    np.save(scene / "view_003" / "depth.npy", np.full((64, 64), np.nan))
    (scene / "view_004" / "rgb.png").unlink()
    np.save(scene / "input_depth.npy", np.zeros((3, 64, 64)))
    measured = measure_views([copy])
    reasons = {problem.path.removeprefix("image_0001/"): problem.reason for problem in problems_of(measured)}
    assert "truncated" in reasons.pop("view_000/rgb.png")
    assert "not a whole .npy" in reasons.pop("view_001/depth.npy")
    assert "not a pose" in reasons.pop("view_002/pose.json")
    assert "NaN" in reasons.pop("view_003/depth.npy")
    assert reasons.pop("view_004/rgb.png") == "missing"
    assert "not a depth map" in reasons.pop("input_depth.npy")
    assert reasons == {}
    assert measured.inputs_digest == data_digest([copy])


def test_a_scene_folder_with_nothing_in_it_is_seen(copy: Path) -> None:
    (copy / "image_0010").mkdir()
    measured = measure_views([copy])
    assert scenes_of(measured)[-1].name == "image_0010"
    assert [problem.path for problem in problems_of(measured)] == ["image_0010/input.png"]


def test_poses_and_depth_may_be_absent(copy: Path) -> None:
    for path in [*copy.rglob("pose.json"), *copy.rglob("*.npy")]:
        path.unlink()
    measured = measure_views([copy])
    assert problems_of(measured) == []
    view = scenes_of(measured)[0].views[0]
    assert (view.angle_deg, view.rendered_share, view.visible_points_share) == (None, None, None)
    assert view.picture.pixels is not None


def test_a_pose_may_lack_its_angle(copy: Path) -> None:
    path = copy / "image_0000" / "view_000" / "pose.json"
    pose = json.loads(path.read_text())
    del pose["angle_deg"]
    path.write_text(json.dumps(pose))
    assert scenes_of(measure_views([copy]))[0].views[0].angle_deg == pytest.approx(25)


def test_identical_inputs_and_views_are_noted(copy: Path) -> None:
    shutil.copy(copy / "image_0002" / "input.png", copy / "image_0007" / "input.png")
    shutil.copy(copy / "image_0002" / "view_000" / "rgb.png", copy / "image_0002" / "view_005" / "rgb.png")
    scenes = findings(measure_views([copy]))
    assert ["copy_of" in scene.ids for scene in scenes] == [False] * 7 + [True] + [False] * 2
    assert scenes[2].views[5].identical_to == "image_0002/view_000"


def test_ten_scenes_are_measured_in_seconds(data: Path) -> None:
    """About half a second of processor time on an idle core."""
    took_s = []
    for _ in range(3):
        start = time.process_time()
        measure_views([data])
        took_s.append(time.process_time() - start)
    assert min(took_s) < 5


@pytest.mark.parametrize(
    ("fault", "explained"),
    [("copy", [True, False, False, False]), ("foreign_colours", [False, False, True, True]),
     ("mirrored", [False, False, False, True]), ("noise", [False] * 4)],
)  # fmt: skip
def test_where_the_camera_stands_explains_some_faults(data: Path, fault: str, explained: list[bool]) -> None:
    view = scenes_of(measure_views([data]))[0].views[0]
    views = [view.model_copy(update={"angle_deg": angle}) for angle in (2.0, -30.0, -50.0, 70.0)]
    assert [explained_by_pose(Fault(fault, ""), view) for view in views] == explained
    assert not explained_by_pose(Fault(fault, ""), view.model_copy(update={"angle_deg": None}))
