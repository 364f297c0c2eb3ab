"""Measuring: everything on disk is read once and accounted for; a bad file is a finding."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from gonogo.errors import UserError
from gonogo.evidence import data_digest
from gonogo.files import manifest
from gonogo.quality.measurements import ViewMeasurements
from gonogo.quality.views import measure

from .scenes import GOOD_ANGLES, make_scene, write


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("views"), [make_scene(seed) for seed in range(10)])


@pytest.fixture(scope="module")
def measured(data: Path) -> ViewMeasurements:
    return measure([data])


@pytest.fixture
def copy(data: Path, tmp_path: Path) -> Path:
    return shutil.copytree(data, tmp_path / "copy")


def test_every_view_is_measured(measured: ViewMeasurements) -> None:
    assert [len(scene.views) for scene in measured.scenes] == [8] * 10
    assert measured.problems == []
    assert measured.files == 10 * (2 + 3 * 8)
    for scene in measured.scenes:
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


def test_the_set(measured: ViewMeasurements) -> None:
    assert measured.pairing_auc is not None
    assert measured.view_variance_ratio is not None
    assert measured.pairing_auc > 0.95
    assert 0.5 < measured.view_variance_ratio < 2


def test_pairing_looks_past_brightness_and_contrast(measured: ViewMeasurements, copy: Path) -> None:
    for path in copy.rglob("rgb.png"):
        cv2.imwrite(str(path), cv2.convertScaleAbs(cv2.imread(str(path)), alpha=0.3, beta=100))
    for scene, dim in zip(measured.scenes, measure([copy]).scenes, strict=True):
        shares = [view.nearer_than_others for view in scene.views]
        assert [view.nearer_than_others for view in dim.views] == pytest.approx(shares, abs=0.12)


def test_pictures_of_one_colour_belong_to_no_input(copy: Path) -> None:
    for path in copy.rglob("rgb.png"):
        cv2.imwrite(str(path), np.full((64, 64, 3), 80, np.uint8))
    assert measure([copy]).pairing_auc == 0.5


def test_manifest_and_digest_are_those_of_the_files(data: Path, copy: Path) -> None:
    (copy / "notes.txt").write_text("not a scene")
    (copy / "image_0000" / "extra.bin").write_bytes(b"1")
    measured = measure([copy])
    assert measured.manifest == manifest(copy)
    assert measured.inputs_digest == data_digest([copy]) != data_digest([data])


def test_measurements_survive_the_disk(measured: ViewMeasurements, tmp_path: Path) -> None:
    measured.write(tmp_path / "m.json")
    assert ViewMeasurements.read(tmp_path / "m.json") == measured


def test_shards_are_one_set(data: Path, copy: Path, measured: ViewMeasurements, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    for index in range(5, 10):
        shutil.move(copy / f"image_{index:04d}", second)
    seen: list[tuple[int, int]] = []
    sharded = measure([second, copy], progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 10) for done in range(1, 11)]
    assert [scene.name for scene in sharded.scenes] == [scene.name for scene in measured.scenes]
    assert [scene.views for scene in sharded.scenes] == [scene.views for scene in measured.scenes]
    assert sharded.view_variance_ratio == pytest.approx(measured.view_variance_ratio)
    assert sharded.manifest == measured.manifest


def test_the_same_scene_in_two_folders_is_refused(data: Path, copy: Path) -> None:
    with pytest.raises(UserError, match="image_0000 is in"):
        measure([data, copy])


def test_nothing_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no scene here"):
        measure([tmp_path])
    with pytest.raises(UserError, match="no such folder"):
        measure([tmp_path / "absent"])
    with pytest.raises(UserError, match="no scene here"):
        measure([])


def test_bad_files_are_findings_with_their_reason(copy: Path) -> None:
    scene = copy / "image_0001"
    picture, depth = scene / "view_000" / "rgb.png", scene / "view_001" / "depth.npy"
    picture.write_bytes(picture.read_bytes()[:500])
    depth.write_bytes(depth.read_bytes()[:5000])
    (scene / "view_002" / "pose.json").write_text("{")
    np.save(scene / "view_003" / "depth.npy", np.full((64, 64), np.nan))
    (scene / "view_004" / "rgb.png").unlink()
    np.save(scene / "input_depth.npy", np.zeros((3, 64, 64)))
    measured = measure([copy])
    reasons = {problem.path.removeprefix("image_0001/"): problem.reason for problem in measured.problems}
    assert "truncated" in reasons.pop("view_000/rgb.png")
    assert "not a whole .npy" in reasons.pop("view_001/depth.npy")
    assert "not a pose" in reasons.pop("view_002/pose.json")
    assert "NaN" in reasons.pop("view_003/depth.npy")
    assert reasons.pop("view_004/rgb.png") == "missing"
    assert "not a depth map" in reasons.pop("input_depth.npy")
    assert reasons == {}
    assert measured.manifest == manifest(copy)


def test_a_scene_folder_with_nothing_in_it_is_seen(copy: Path) -> None:
    (copy / "image_0010").mkdir()
    measured = measure([copy])
    assert measured.scenes[-1].name == "image_0010"
    assert [problem.path for problem in measured.problems] == ["image_0010/input.png"]


def test_poses_and_depth_may_be_absent(copy: Path) -> None:
    for path in [*copy.rglob("pose.json"), *copy.rglob("*.npy")]:
        path.unlink()
    measured = measure([copy])
    assert measured.problems == []
    view = measured.scenes[0].views[0]
    assert (view.angle_deg, view.rendered_share, view.visible_points_share) == (None, None, None)
    assert view.picture.pixels is not None


def test_a_pose_may_lack_its_angle(copy: Path) -> None:
    path = copy / "image_0000" / "view_000" / "pose.json"
    pose = json.loads(path.read_text())
    del pose["angle_deg"]
    path.write_text(json.dumps(pose))
    assert measure([copy]).scenes[0].views[0].angle_deg == pytest.approx(25)


def test_identical_inputs_and_views_are_noted(copy: Path) -> None:
    shutil.copy(copy / "image_0002" / "input.png", copy / "image_0007" / "input.png")
    shutil.copy(copy / "image_0002" / "view_000" / "rgb.png", copy / "image_0002" / "view_005" / "rgb.png")
    scenes = measure([copy]).scenes
    assert [scene.identical_to for scene in scenes] == [""] * 7 + ["image_0002"] + [""] * 2
    assert scenes[2].views[5].identical_to == "image_0002/view_000"


def test_ten_scenes_are_measured_in_half_a_second(data: Path) -> None:
    """Of processor time, which other programs on the machine do not lengthen."""
    took_s = []
    for _ in range(3):
        start = time.process_time()
        measure([data])
        took_s.append(time.process_time() - start)
    assert min(took_s) < 0.5
