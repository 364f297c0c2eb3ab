"""Cameras and pictures as NeRF tools (`transforms.json`) and COLMAP's text model name them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from experiments.cvs.cameras import Camera
from gonogo import listed_examples

TRANSFORMS, COLMAP = "transforms.json", "images.txt"
SUFFIXES = (".png", ".jpg", ".jpeg", ".JPG", ".PNG")
PICTURE_FOLDERS = ("images", ".")  # of COLMAP, from the capture's folder
FOCAL_AND_LENS = {  # COLMAP's camera models: numbers before the lens's distortion
    "SIMPLE_PINHOLE": 3, "PINHOLE": 4, "SIMPLE_RADIAL": 3, "RADIAL": 3, "OPENCV": 4, "FULL_OPENCV": 4,
}  # fmt: skip
TO_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])  # from y down, looking along +z
RIGID = 1e-2  # of a rotation's products


Named: TypeAlias = tuple[list[tuple[Path, Camera | None]], list[str]]
"""Each picture with its camera, None where its pose is none; and what is not as it should be, in sentences."""


def of_transforms(place: Path) -> Named:
    raw = json.loads((place / TRANSFORMS).read_text(encoding="utf-8"))
    if not isinstance(raw, dict) or not isinstance(raw.get("frames"), list):
        raise ValueError(f"{TRANSFORMS}: no `frames`")
    frames, blind = [], []
    for frame in raw["frames"]:
        own = {**raw, **frame}
        path = _picture(place / str(frame["file_path"]))
        size = _size(own, path)
        _check_camera(TRANSFORMS, float(own.get("fl_x", 1)), size)
        focal_px = _focal_px(own, size[0])
        if focal_px is None:
            blind.append(path.name)
            continue
        frames.append((path, _camera(frame.get("transform_matrix"), focal_px, size)))
    if blind:
        raise ValueError(
            f"{TRANSFORMS}: no camera for {listed_examples(blind)} of {len(raw['frames'])}: give `fl_x` and `w`, or "
            "`camera_angle_x`"
        )
    lens = [key for key in ("k1", "k2", "p1", "p2") if abs(float(raw.get(key, 0))) > 0]
    return frames, _lens_note(bool(lens))


def _check_camera(file: str, focal_px: float, size: tuple[int, int]) -> None:
    if not (math.isfinite(focal_px) and focal_px > 0) or min(size) < 1:
        raise ValueError(f"{file}: a camera of {size[0]} × {size[1]} pixels with a focal length of {focal_px:g} pixels")


def _picture(path: Path) -> Path:
    """Blender's paths lack the suffix."""
    if path.is_file():
        return path
    return next((found for suffix in SUFFIXES if (found := path.with_name(path.name + suffix)).is_file()), path)


def _size(own: dict[str, Any], path: Path) -> tuple[int, int]:
    if "w" in own and "h" in own:
        return int(own["w"]), int(own["h"])
    if not path.is_file():
        return 1, 1
    with Image.open(path) as picture:
        return picture.size


def _focal_px(own: dict[str, Any], width: int) -> float | None:
    if "fl_x" in own and "w" in own:
        return float(own["fl_x"])
    if "camera_angle_x" in own:
        angle = float(own["camera_angle_x"])
        if not 0 < angle < math.pi:
            raise ValueError(f"{TRANSFORMS}: `camera_angle_x` is {angle:g}; an angle between 0 and π is needed")
        return width / 2 / math.tan(angle / 2)
    return None


def _camera(camera_to_world: Any, focal_px: float, size: tuple[int, int]) -> Camera | None:
    """The camera of a pose in OpenGL's axes; None where it is no rotation and translation."""
    try:
        matrix = np.array(camera_to_world, float)
    except (TypeError, ValueError):
        return None
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        return None
    scale = abs(float(np.linalg.det(matrix[:3, :3]))) ** (1 / 3)
    if scale < RIGID:
        return None
    turned = matrix[:3, :3] / scale
    if np.abs(turned @ turned.T - np.eye(3)).max() > RIGID:
        return None
    matrix[:3, :3] = turned
    return Camera(np.linalg.inv(matrix), focal_px, *size)


def of_colmap(place: Path, folder: Path) -> Named:
    cameras, distorted = {}, False
    for line in _lines(place / "cameras.txt"):
        key, model, width, height, *numbers = line.split()
        if model not in FOCAL_AND_LENS:
            raise ValueError(f"cameras.txt: camera {key} is {model}; known are {', '.join(FOCAL_AND_LENS)}")
        cameras[key] = float(numbers[0]), (int(width), int(height))
        _check_camera("cameras.txt", *cameras[key])
        distorted |= any(abs(float(number)) > 0 for number in numbers[FOCAL_AND_LENS[model] :])
    pictures = next(
        root / name for root in (place, *place.parents) for name in PICTURE_FOLDERS
        if (root / name).is_dir() and (name != "." or root == folder)
    )  # fmt: skip
    frames: list[tuple[Path, Camera | None]] = []
    for line in _lines(place / COLMAP):
        words = line.split(maxsplit=9)
        if len(words) < 10 or words[8] not in cameras or not words[9].endswith(SUFFIXES):
            continue  # the line of points that follows each picture's
        w, x, y, z, *move = map(float, words[1:8])
        world_to_camera = np.eye(4)
        world_to_camera[:3, :3] = _rotation(w, x, y, z)
        world_to_camera[:3, 3] = move
        if not np.isfinite(world_to_camera).all():
            raise ValueError(f"{COLMAP}: the pose of {words[9]} is not finite")
        focal_px, size = cameras[words[8]]
        frames.append((pictures / words[9], Camera(TO_OPENGL @ world_to_camera, focal_px, *size)))
    return frames, _lens_note(distorted)


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip() and line[0] != "#"]


def _rotation(w: float, x: float, y: float, z: float) -> np.ndarray:
    length = math.sqrt(w * w + x * x + y * y + z * z)
    if length < RIGID:
        raise ValueError("images.txt: a quaternion of zeros")
    w, x, y, z = (value / length for value in (w, x, y, z))
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip


def _lens_note(distorted: bool) -> list[str]:
    return ["the lens's distortion is not corrected: undistort the pictures first"] if distorted else []
