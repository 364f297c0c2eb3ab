"""Posed views of photographs, rendered exactly: a photograph on a plane at z = -3, seen by any camera.

The plane ends where the input's frame ends, as the cloud of a single picture does; beyond is black, depth 0.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

PHOTOGRAPHS = Path(__file__).parents[2] / "resources" / "photographs"
SIZE = 64
FOCAL_PX = 1.2 * SIZE
DISTANCE = 3.0
CENTRE = np.array([0.0, 0.0, -DISTANCE])
GOOD_ANGLES = tuple(np.linspace(-25, 25, 8))


@dataclass
class Scene:
    """Pictures are (H, W, 3) uint8 BGR."""

    image: np.ndarray
    depth: np.ndarray
    views: list[np.ndarray]
    view_depths: list[np.ndarray]
    poses: list[dict[str, object]]


@functools.cache
def _photographs() -> list[np.ndarray]:
    return [cv2.imread(str(path)) for path in sorted(PHOTOGRAPHS.glob("*.jpg"))]


def photograph(rng: np.random.Generator) -> np.ndarray:
    """A crop of one of the photographs, with detail in it."""
    while True:
        picture = _photographs()[rng.integers(len(_photographs()))]
        side = int(min(picture.shape[:2]) * rng.uniform(0.5, 0.95))
        top, left = (rng.integers(0, extent - side + 1) for extent in picture.shape[:2])
        crop = cv2.resize(picture[top : top + side, left : left + side], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        if crop.mean() > 55 and crop.std() > 30:
            return crop[:, :: rng.choice([-1, 1])].copy()


def make_scene(
    seed: int,
    angles_deg: Sequence[float] = GOOD_ANGLES,
    orbit: Sequence[float] = CENTRE,
    radius: float = DISTANCE,
) -> Scene:
    """Views from cameras on a horizontal circle about `orbit`, which they look at."""
    image = photograph(np.random.default_rng(seed))
    cameras = [look_from(angle, np.array(orbit, float), radius) for angle in angles_deg]
    rendered = [render(image, camera) for camera in cameras]
    poses: list[dict[str, object]] = [
        {
            "world_to_camera": camera.tolist(),
            "input_world_to_camera": np.eye(4).tolist(),
            "focal_px": FOCAL_PX,
            "width": SIZE,
            "height": SIZE,
            "angle_deg": float(angle),
            "convention": "opengl",
        }
        for camera, angle in zip(cameras, angles_deg, strict=True)
    ]
    depth = np.full((SIZE, SIZE), DISTANCE, np.float32)
    return Scene(image, depth, [view for view, _ in rendered], [depth for _, depth in rendered], poses)


def look_from(angle_deg: float, centre: np.ndarray, radius: float) -> np.ndarray:
    """(4, 4) world to camera, for a camera `angle_deg` about the vertical through `centre`."""
    angle = np.radians(angle_deg)
    backward = np.array([np.sin(angle), 0, np.cos(angle)])
    rotation = np.stack([np.cross([0, 1, 0], backward), [0, 1, 0], backward])
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = -rotation @ (centre + radius * backward)
    return matrix


def render(image: np.ndarray, world_to_camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The plane as a camera sees it: picture and depth, both 0 beside the plane."""
    rows, columns = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    rays = np.stack([(columns - SIZE / 2) / FOCAL_PX, -(rows - SIZE / 2) / FOCAL_PX, -np.ones_like(rows)], -1)
    rotation, shift = world_to_camera[:3, :3], world_to_camera[:3, 3]
    origin, rays = -rotation.T @ shift, rays @ rotation
    with np.errstate(divide="ignore", invalid="ignore"):
        along = (-DISTANCE - origin[2]) / rays[..., 2]
    x, y = (origin[axis] + along * rays[..., axis] for axis in (0, 1))
    u = (x / DISTANCE * FOCAL_PX + SIZE / 2).astype(np.float32)
    v = (-y / DISTANCE * FOCAL_PX + SIZE / 2).astype(np.float32)
    hit = (along > 0) & (u >= 0) & (u < SIZE) & (v >= 0) & (v < SIZE)
    picture = cv2.remap(image, u - 0.5, v - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.where(hit[..., None], picture, 0).astype(np.uint8), np.where(hit, along, 0).astype(np.float32)


def write(folder: Path, scenes: Sequence[Scene], first: int = 0) -> Path:
    for index, scene in enumerate(scenes, first):
        root = folder / f"image_{index:04d}"
        root.mkdir(parents=True)
        cv2.imwrite(str(root / "input.png"), scene.image)
        np.save(root / "input_depth.npy", scene.depth)
        for number, (view, depth, pose) in enumerate(zip(scene.views, scene.view_depths, scene.poses, strict=True)):
            target = root / f"view_{number:03d}"
            target.mkdir()
            cv2.imwrite(str(target / "rgb.png"), view)
            np.save(target / "depth.npy", depth)
            (target / "pose.json").write_text(json.dumps(pose))
    return folder
