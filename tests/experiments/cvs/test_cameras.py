from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from experiments.cvs.cameras import Camera, input_camera, orbit, orbit_camera, pose
from experiments.cvs.settings import Cameras, DataSettings

DARK = DataSettings(cameras=Cameras(orbit="origin", radius=2.0, arc_deg=360))


def position(camera: Camera) -> np.ndarray:
    rotation, shift = camera.world_to_camera[:3, :3], camera.world_to_camera[:3, 3]
    return -rotation.T @ shift


def views(settings: DataSettings, seed: int = 0) -> list[Camera]:
    return orbit(settings, 3.0, np.random.default_rng(seed))


def angles(settings: DataSettings) -> np.ndarray:
    return np.array([pose(c, input_camera(settings))["angle_deg"] for c in views(settings)])


@pytest.mark.parametrize(("settings", "centre", "radius"), [(DataSettings(), [0, 0, -3], 3), (DARK, [0, 0, 0], 2)])
def test_cameras_look_at_what_they_circle(settings: DataSettings, centre: list[float], radius: float) -> None:
    cameras = views(settings)
    assert len(cameras) == settings.views
    for camera in cameras:
        rotation = camera.world_to_camera[:3, :3]
        assert np.allclose(rotation @ rotation.T, np.eye(3))
        assert np.linalg.det(rotation) == pytest.approx(1)
        assert np.allclose(position(camera) + radius * camera.forward, centre)


def test_default_views_stay_within_the_arc_on_both_sides() -> None:
    found = angles(DataSettings())
    assert found.max() < 28
    assert found.min() < 10
    sides = [position(camera)[0] for camera in views(DataSettings())]
    assert min(sides) < -1
    assert max(sides) > 1


def test_all_round_views_are_evenly_spread() -> None:
    found = angles(DARK)
    assert (found > 90).sum() in (3, 4, 5)
    assert found.max() > 165


def test_an_orbit_without_displacement_starts_at_the_input() -> None:
    settings = DataSettings()
    camera = orbit_camera(settings, np.array([0, 0, -3.0]), 3.0, 0.0, 0.0)
    assert np.allclose(camera.world_to_camera, input_camera(settings).world_to_camera)
    assert camera.focal_px == pytest.approx(settings.focal_ratio * settings.image_size)


def test_displacement_is_small_and_belongs_to_the_item() -> None:
    assert np.array_equal(views(DataSettings(), 1)[0].world_to_camera, views(DataSettings(), 1)[0].world_to_camera)
    shift = np.linalg.norm(position(views(DataSettings(), 1)[0]) - position(views(DataSettings(), 2)[0]))
    assert 0 < shift < 1


def test_pose_holds_both_cameras() -> None:
    settings = DataSettings()
    written = pose(views(settings)[0], input_camera(settings))
    assert written["convention"] == "opengl"
    assert np.array(written["world_to_camera"]).shape == (4, 4)
    assert written["input_world_to_camera"] == np.eye(4).tolist()
    assert (written["width"], written["height"]) == (64, 64)


def test_orbiting_the_origin_needs_a_radius() -> None:
    with pytest.raises(ValidationError, match=r"radius: 2\.0"):
        Cameras(orbit="origin")
