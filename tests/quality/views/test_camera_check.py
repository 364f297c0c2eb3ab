"""Cameras that miss the input's points, or that are unknown."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gonogo.verdict import Status
from tests.quality.conftest import Inspect

from .sets import check, scenes, stopped


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


def test_without_poses_the_cameras_are_not_judged_and_that_is_said(inspect: Inspect) -> None:
    def forget(folder: Path) -> None:
        for path in folder.rglob("pose.json"):
            path.unlink()

    found = inspect(scenes(), forget)
    cameras = check(found, "cameras")
    assert (cameras.status, cameras.value) == (Status.CAUTION, None)
    assert "not judged" in cameras.why
    assert found.cause == ""
    assert {c.status for c in found.checks if c.id != "cameras" and not c.grey} == {Status.GO}


def test_views_without_a_pose_among_others_are_counted(inspect: Inspect) -> None:
    def forget(folder: Path) -> None:
        for view in range(3):
            (folder / "image_0002" / f"view_{view:03d}" / "pose.json").unlink()

    cameras = check(inspect(scenes(), forget), "cameras")
    assert cameras.status is Status.CAUTION
    assert cameras.why == "3 of 48 views have no pose or no depth to judge them by"
