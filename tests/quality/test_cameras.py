"""The share of the input's points that a camera sees, computed by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from gonogo.quality.views.cameras import meeting_point, off_axis_deg, point_cloud, read_pose, visibility

from .scenes import CENTRE, DISTANCE, FOCAL_PX, SIZE, look_from

DEPTH = np.full((SIZE, SIZE), DISTANCE, np.float32)


def pose_json(camera: np.ndarray, **changes: Any) -> bytes:
    """A pose.json with some of its keys changed, or left out for None."""
    pose = {
        "world_to_camera": camera.tolist(),
        "input_world_to_camera": np.eye(4).tolist(),
        "focal_px": FOCAL_PX,
        "width": SIZE,
        "height": SIZE,
        "angle_deg": 10,
        **changes,
    }
    return json.dumps({key: value for key, value in pose.items() if value is not None}).encode()


def test_the_cloud_lies_where_the_depth_says() -> None:
    points = point_cloud(DEPTH, read_pose(pose_json(np.eye(4))))
    assert points.shape == (SIZE * SIZE, 3)
    assert points.mean(0) == pytest.approx(CENTRE)
    half = (SIZE - 1) / 2 / FOCAL_PX * DISTANCE
    assert points[0] == pytest.approx([-half, half, -DISTANCE])  # the first pixel is up on the left


def test_the_cloud_follows_the_input_camera_and_needs_no_full_resolution() -> None:
    moved = np.eye(4)
    moved[:3, 3] = [-1, 0, 0]  # a camera at x = 1
    points = point_cloud(DEPTH, read_pose(pose_json(np.eye(4), input_world_to_camera=moved.tolist())))
    assert points.mean(0) == pytest.approx([1, 0, -DISTANCE])
    large = np.full((4 * SIZE, 4 * SIZE), DISTANCE)
    assert len(point_cloud(large, read_pose(pose_json(np.eye(4))))) <= 64 * 64


def test_pixels_without_depth_give_no_point() -> None:
    depth = DEPTH.copy()
    depth[:32] = 0
    assert len(point_cloud(depth, read_pose(pose_json(np.eye(4))))) == SIZE * SIZE // 2


def test_what_a_camera_sees_of_the_points() -> None:
    points = point_cloud(DEPTH, read_pose(pose_json(np.eye(4))))
    assert visibility(points, read_pose(pose_json(np.eye(4)))) == (1, 1)
    behind = read_pose(pose_json(look_from(180, np.zeros(3), 0.0)))
    assert visibility(points, behind) == (0, 0)
    twice_as_far = read_pose(pose_json(look_from(0, CENTRE, 2 * DISTANCE)))
    assert visibility(points, twice_as_far) == (1, pytest.approx(0.25, abs=0.03))
    aside = np.eye(4)
    aside[0, 3] = -DISTANCE / FOCAL_PX * SIZE / 2  # half a frame to the right
    assert visibility(points, read_pose(pose_json(aside))) == (
        pytest.approx(0.5, abs=0.02),
        pytest.approx(0.5, abs=0.04),
    )


def test_off_axis_and_meeting_point() -> None:
    orbit = [read_pose(pose_json(look_from(angle, CENTRE, DISTANCE))) for angle in (-25, 0, 25)]
    assert meeting_point(orbit) == pytest.approx(tuple(CENTRE), abs=1e-9)
    assert off_axis_deg(CENTRE, orbit[0]) == pytest.approx(0, abs=1e-6)
    assert off_axis_deg(CENTRE, read_pose(pose_json(look_from(180, np.zeros(3), 2.0)))) == pytest.approx(180)
    assert meeting_point([orbit[0], orbit[0]]) is None


def test_the_angle_is_given_or_worked_out() -> None:
    turned = look_from(40, CENTRE, DISTANCE)
    assert read_pose(pose_json(turned)).angle_deg == 10
    assert read_pose(pose_json(turned, angle_deg=350)).angle_deg == -10
    assert read_pose(pose_json(turned, angle_deg=None)).angle_deg == pytest.approx(40)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"focal_px": None}, "focal_px"),
        ({"focal_px": 0}, "above 0"),
        ({"convention": "colmap"}, "colmap"),
        ({"world_to_camera": [[1, 0], [0, 1]]}, "4×4"),
        ({"world_to_camera": np.zeros((4, 4)).tolist()}, "inverted"),
        ({"width": "wide"}, "not a pose"),
    ],
)
def test_a_wrong_pose_says_what_is_wrong(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_pose(pose_json(np.eye(4), **changes))


def test_half_a_pose_file() -> None:
    with pytest.raises(ValueError, match="not a pose"):
        read_pose(pose_json(np.eye(4))[:40])
