import json

import numpy as np
import pytest

from experiments.cvs.cameras import input_camera, orbit_camera
from experiments.cvs.data import CVSDataModule
from experiments.cvs.poses import POSE_SIZE, relative_pose
from experiments.cvs.settings import DataSettings
from gonogo.config.experiment import Training
from tests.experiments.cvs.items import small_settings, write_items

SETTINGS = DataSettings()
INPUT = input_camera(SETTINGS).world_to_camera


def rigid(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    matrix = np.eye(4)
    matrix[:3, :3] = axes * np.sign(np.linalg.det(axes))
    matrix[:3, 3] = rng.normal(size=3)
    return matrix


def orbiting(azimuth_deg: float, elevation_deg: float = 0.0) -> np.ndarray:
    return orbit_camera(SETTINGS, np.array([0, 0, -3.0]), 3.0, azimuth_deg, elevation_deg).world_to_camera


def test_the_inputs_own_pose_is_no_motion() -> None:
    expected = [*np.eye(3).flatten(), 0, 0, 0, 0, 1, 0]
    assert relative_pose(INPUT, INPUT) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_moving_the_whole_world_changes_nothing(seed: int) -> None:
    view, moved = orbiting(20, 5), np.linalg.inv(rigid(seed))
    pose = relative_pose(view, INPUT)
    assert pose.shape == (POSE_SIZE,)
    assert relative_pose(view @ moved, INPUT @ moved) == pytest.approx(pose, abs=1e-5)
    assert relative_pose(view @ moved, INPUT) != pytest.approx(pose, abs=1e-2)


def test_a_camera_that_moves_to_the_right_about_its_subject_looks_left_and_one_above_looks_down() -> None:
    sine, cosine, elevation = relative_pose(orbiting(20), INPUT)[12:]
    assert (sine, cosine, elevation) == pytest.approx((-np.sin(np.radians(20)), np.cos(np.radians(20)), 0), abs=1e-6)
    assert relative_pose(orbiting(0, 10), INPUT)[14] == pytest.approx(-np.radians(10))


def test_rotation_and_translation_carry_points_from_the_input_camera_to_the_view() -> None:
    world = np.linalg.inv(rigid(1))
    view = orbiting(-15, 3) @ world
    pose = relative_pose(view, INPUT @ world).astype(float)
    point = np.array([0.3, -0.2, -2.5])
    in_world = np.linalg.inv(INPUT @ world) @ [*point, 1]
    assert pose[:9].reshape(3, 3) @ point + pose[9:12] == pytest.approx((view @ in_world)[:3], abs=1e-5)


def test_training_and_prediction_read_the_same_pose_wherever_the_world_lies(tmp_path) -> None:
    write_items(tmp_path, range(3))
    before = CVSDataModule(small_settings(), Training(), [tmp_path], 0, 0.3)
    world = np.linalg.inv(rigid(2))
    for path in tmp_path.rglob("pose.json"):
        pose = json.loads(path.read_text())
        for key in ("world_to_camera", "input_world_to_camera"):
            pose[key] = (np.array(pose[key]) @ world).tolist()
        path.write_text(json.dumps(pose))
    after = CVSDataModule(small_settings(), Training(), [tmp_path], 0, 0.3)
    held_out = after.val_items[0]
    assert after.item_batch(held_out)["pose"] == pytest.approx(before.item_batch(held_out)["pose"], abs=1e-5)
    for one, other in zip(before.train_dataloader(), after.train_dataloader(), strict=True):
        assert other["pose"] == pytest.approx(one["pose"], abs=1e-5)
