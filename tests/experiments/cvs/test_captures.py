"""Captured views with cameras as `inputs:`: transforms.json of NeRF tools, and COLMAP's text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from experiments.cvs.captures import find_captures
from experiments.cvs.data import CVSDataModule
from experiments.cvs.experiment import CVS
from gonogo.base.errors import UserError
from gonogo.config.experiment import ExperimentConfig
from gonogo.config.gate_thresholds import Gates
from gonogo.config.load import load
from gonogo.quality.inspect import inspect
from gonogo.verdict import Status
from tests.conftest import ROOT

WIDTH, HEIGHT, FOCAL_PX, RADIUS = 48, 36, 60.0, 5.0
SETTINGS = {"image_size": 32, "views": 2, "cameras": {"arc_deg": 60}}


def looking_at_origin(azimuth_deg: float, height: float) -> np.ndarray:
    """Camera to world, OpenGL axes, z up in the world, as NeRF tools write it."""
    azimuth = np.radians(azimuth_deg)
    place = RADIUS * np.array([np.cos(azimuth), np.sin(azimuth), height])
    back = place / np.linalg.norm(place)
    right = np.cross([0, 0, 1], back)
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, :4] = np.stack([right, np.cross(back, right), back, place], axis=1)
    return matrix


def write_capture(folder: Path, count: int = 24, seed: int = 0) -> list[dict[str, Any]]:
    """Pictures of coloured balls around the origin, with their transforms.json; its frames."""
    rng = np.random.default_rng(seed)
    balls, colours = rng.uniform(-1.2, 1.2, (40, 3)), rng.uniform(60, 255, (40, 3))
    (folder / "images").mkdir(parents=True)
    frames = []
    for number in range(count):
        matrix = looking_at_origin(360 / count * number, 0.2 * rng.uniform())
        seen = (np.linalg.inv(matrix) @ np.c_[balls, np.ones(40)].T)[:3].T
        picture = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
        for at in np.argsort(seen[:, 2]):
            x, y, z = seen[at]
            centre = round(WIDTH / 2 - FOCAL_PX * x / z), round(HEIGHT / 2 + FOCAL_PX * y / z)
            cv2.circle(picture, centre, round(FOCAL_PX * 0.25 / -z), colours[at].tolist(), -1)
        name = f"images/{number:03d}.png"
        Image.fromarray(cv2.GaussianBlur(picture, (0, 0), 1.5)).save(folder / name)
        frames.append({"file_path": name, "transform_matrix": matrix.tolist()})
    save(folder, frames, fl_x=FOCAL_PX, w=WIDTH, h=HEIGHT)
    return frames


def save(folder: Path, frames: list[dict[str, Any]], **camera: float) -> None:
    (folder / "transforms.json").write_text(json.dumps({**camera, "frames": frames}))


def write_colmap(folder: Path, frames: list[dict[str, Any]]) -> None:
    """The same cameras as COLMAP writes them: world to camera, y down, z ahead, quaternions; points beside them."""
    (folder / "sparse/0").mkdir(parents=True)
    (folder / "sparse/0/cameras.txt").write_text(f"# one\n1 PINHOLE {WIDTH} {HEIGHT} {FOCAL_PX} {FOCAL_PX} 24 18\n")
    lines = []
    for number, frame in enumerate(frames, start=1):
        seen = np.diag([1, -1, -1, 1]) @ np.linalg.inv(frame["transform_matrix"])
        turned, angle = cv2.Rodrigues(seen[:3, :3])[0][:, 0], 0.0
        angle = float(np.linalg.norm(turned))
        numbers = [np.cos(angle / 2), *(turned / angle * np.sin(angle / 2)), *seen[:3, 3]]
        name = Path(frame["file_path"]).name
        points = "" if number % 2 else "2362.39 248.498 58396 1784.7 268.254 59027 1 2 1 5"
        lines += [f"{number} {' '.join(map(str, numbers))} 1 {name}", points]
    (folder / "sparse/0/images.txt").write_text("\n".join(lines))


def own(inputs: Path) -> CVS:
    config = {"class": "experiments.cvs.experiment:CVS", "inputs": str(inputs), "settings": {"data": SETTINGS}}
    return CVS("mine", ExperimentConfig.model_validate(config), ROOT)


def generated(inputs: Path, out: Path, items: int) -> Path:
    assert own(inputs).prepare(out / "assets", 0) == {}
    own(inputs).generate(range(items), out / "data", 0, lambda done, total: None)
    return out / "data"


def test_a_capture_gives_items_of_neighbours_and_no_picture_twice(tmp_path: Path) -> None:
    frames = write_capture(tmp_path / "in/room")
    write_capture(tmp_path / "in/chair", seed=1)
    data = generated(tmp_path / "in", tmp_path, 12)
    items = sorted(data.iterdir())
    assert {json.loads((item / "source.json").read_text())["group"] for item in items} == {"room", "chair"}
    pose = json.loads((items[1] / "view_001/pose.json").read_text())
    assert 5 < abs(pose["angle_deg"]) <= 30 and pose["focal_px"] == pytest.approx(FOCAL_PX * 32 / HEIGHT)
    away = np.linalg.norm(np.linalg.inv(pose["world_to_camera"])[:3, 3])
    assert away == pytest.approx(3, rel=0.05)  # between `near` and `far`
    pictures = [path.read_bytes() for path in data.rglob("*.png")]
    assert len(pictures) == 36 == len(set(pictures))
    told = (tmp_path / "assets/inputs.md").read_text()
    assert f"captures: 2, pictures: {2 * len(frames)}, items: " in told and "of 1 + 2 pictures" in told
    judged = inspect(data, "views").verdict
    assert not [check for check in judged.checks if check.status is Status.NO_GO], judged.summary
    module = CVSDataModule(own(tmp_path / "in").settings, own(tmp_path / "in").config.training, [data], 0, 0.4)
    batch = next(iter(module.train_dataloader()))
    assert batch["target"].shape[1:] == (3, 32, 32) and (batch["edge_weight"] == 1).all()


def test_colmaps_text_gives_the_same_items(tmp_path: Path) -> None:
    frames = write_capture(tmp_path / "nerf/room")
    shutil.copytree(tmp_path / "nerf/room/images", tmp_path / "colmap/room/images")
    write_colmap(tmp_path / "colmap/room", frames)
    one, other = (generated(tmp_path / name, tmp_path / f"out_{name}", 3) for name in ("nerf", "colmap"))
    for path in one.rglob("pose.json"):
        again = json.loads((other / path.relative_to(one)).read_text())
        for key, value in json.loads(path.read_text()).items():
            if key != "convention":
                np.testing.assert_allclose(again[key], value, atol=1e-5, err_msg=key)
    assert [path.read_bytes() for path in sorted(one.rglob("*.png"))] == [
        path.read_bytes() for path in sorted(other.rglob("*.png"))
    ]


def test_what_is_wrong_with_a_capture_is_named_with_counts_and_examples(tmp_path: Path) -> None:
    frames = write_capture(tmp_path / "room", 12)
    refused = lambda: own(tmp_path).prepare(tmp_path / "assets", 0)  # noqa: E731
    save(tmp_path / "room", frames)
    with pytest.raises(UserError, match=r"room: transforms.json: no camera for 12: 000.png, .* and 9 more of 12: give"):
        refused()
    save(tmp_path / "room", [{**frames[0], "transform_matrix": [[1, 2]]}, *frames[1:]], camera_angle_x=0.8)
    for name in ("003.png", "004.png"):
        (tmp_path / "room/images" / name).unlink()
    told = (
        r"3 of 12 pictures cannot be used: no such picture \(2: 003.png, 004.png\); no camera matrix .* \(1: 000.png\)"
    )
    with pytest.raises(UserError, match=told):
        refused()
    save(tmp_path / "room", frames[5::3], camera_angle_x=0.8)
    with pytest.raises(
        UserError, match=r"no picture has 2 others within 30° of it: lower settings.data.views, or raise"
    ):
        refused()
    (tmp_path / "room/transforms.json").write_text("{}")
    with pytest.raises(UserError, match=r"transforms\.json: no `frames`"):
        refused()
    (tmp_path / "room/transforms.json").unlink()
    assert find_captures(tmp_path) == []
    write_colmap(tmp_path / "room", frames)
    (tmp_path / "room/sparse/0/cameras.txt").write_text("1 THIN_PRISM_FISHEYE 4 4 1 1\n")
    with pytest.raises(UserError, match=r"cameras\.txt: camera 1 is THIN_PRISM_FISHEYE; known are SIMPLE_PINHOLE"):
        refused()


def test_thresholds_of_the_generator_can_be_taken_away(root: Path) -> None:
    judged = load({"experiments": "cvs"}, root).gates["cvs"].generator
    names = dict.fromkeys(judged.root)
    assert len(names) == 3 and Gates.model_validate({"generator": names}).generator.root == {}


@pytest.mark.parametrize(
    ("camera", "frame", "told"),
    [
        ({}, {"file_path": "../../elsewhere.png"}, "it names a picture outside"),
        ({}, {"file_path": "ABSOLUTE"}, "it names a picture outside"),
        ({"w": float("inf")}, {}, "OverflowError"),
        ({"w": 0}, {}, "a camera of 0 × 36 pixels"),
        ({"fl_x": float("nan")}, {}, "a focal length of nan"),
        ({"fl_x": 10**400}, {}, "OverflowError"),
    ],
)
def test_a_capture_s_words_lead_nowhere_else_and_its_numbers_are_checked(
    tmp_path: Path, camera: dict[str, Any], frame: dict[str, Any], told: str
) -> None:
    frames = write_capture(tmp_path / "in/room", 2)
    elsewhere = tmp_path / "elsewhere.png"
    shutil.copyfile(tmp_path / "in/room/images/000.png", elsewhere)
    if frame.get("file_path") == "ABSOLUTE":
        frame = {"file_path": str(elsewhere)}
    save(
        tmp_path / "in/room",
        [{**frames[0], **frame}, *frames[1:]],
        **{"fl_x": FOCAL_PX, "w": WIDTH, "h": HEIGHT, **camera},
    )
    with pytest.raises(UserError, match=told):
        own(tmp_path / "in").prepare(tmp_path / "assets", 0)


def test_an_angle_of_nothing_and_a_pose_that_is_not_finite_are_named(tmp_path: Path) -> None:
    frames = write_capture(tmp_path / "room", 2)
    save(tmp_path / "room", frames, camera_angle_x=0.0)
    with pytest.raises(UserError, match=r"`camera_angle_x` is 0; an angle between 0 and"):
        own(tmp_path).prepare(tmp_path / "assets", 0)
    (tmp_path / "room/transforms.json").unlink()
    write_colmap(tmp_path / "room", frames)
    poses = tmp_path / "room/sparse/0/images.txt"
    poses.write_text("1 1 0 0 0 nan 0 0 1 000.png\n\n" * 2)
    with pytest.raises(UserError, match=r"images\.txt: the pose of 000\.png is not finite"):
        own(tmp_path).prepare(tmp_path / "assets", 0)
