"""Poses that were exchanged, inverted or copied, among pictures that are all good."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gonogo.quality.inspect import inspect
from gonogo.verdict import Status

from ..scenes import Scene, make_scene, write

ANGLES = (-40, -30, -20, -10, 10, 20, 30, 40)


@pytest.fixture(scope="module")
def made() -> list[Scene]:
    return [make_scene(seed, ANGLES) for seed in range(6)]


def exchanged(poses: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return poses[4:] + poses[:4]


CHANGES = {
    "poses of other views": exchanged,
    "camera-to-world matrices": lambda poses: [
        pose | {"world_to_camera": np.linalg.inv(np.array(pose["world_to_camera"])).tolist()} for pose in poses
    ],
    "one and the same pose": lambda poses: [poses[0]] * len(poses),
}


def test_good_poses_fit(made: list[Scene], tmp_path: Path) -> None:
    verdict = inspect(write(tmp_path / "data", made), "views").verdict
    (check,) = [check for check in verdict.checks if check.id == "poses"]
    assert (check.status, check.value) == (Status.GO, check.value)
    assert check.value is not None and check.value < 5  # per cent: some views fit their neighbours as well


@pytest.mark.parametrize("said", CHANGES)
def test_poses_that_do_not_fit_are_told(made: list[Scene], tmp_path: Path, said: str) -> None:
    scenes = copy.deepcopy(made)
    for scene in scenes:
        scene.poses = CHANGES[said](scene.poses)
    verdict = inspect(write(tmp_path / "data", scenes), "views").verdict
    (check,) = [check for check in verdict.checks if check.id == "poses"]
    assert said in check.why, check
    assert check.status is Status.NO_GO
    assert verdict.status is Status.NO_GO


def test_a_transposed_matrix_is_named(made: list[Scene], tmp_path: Path) -> None:
    scenes = copy.deepcopy(made)
    for scene in scenes:
        scene.poses = [p | {"world_to_camera": np.array(p["world_to_camera"]).T.tolist()} for p in scene.poses]
    verdict = inspect(write(tmp_path / "data", scenes), "views").verdict
    assert verdict.status is Status.NO_GO
    assert any("the last row of world_to_camera is not 0 0 0 1: transposed?" in check.why for check in verdict.checks)
