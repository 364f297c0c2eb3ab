"""Cameras from pose.json: what they see of the points that the input's depth map gives.

Convention `opengl`: x right, y up, the camera looks along -z. Pixels are square, the principal point central.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gonogo.quality.views.measurements import Point

MOST_POINTS_PER_SIDE = 64  # of a depth map: 4,096 points tell a share within 1 %
CELLS = 16  # a side, in which a frame is divided
LEAST_RIGID = 1e-3  # of a last row: beyond, it is not that of a camera's matrix
LEAST_CONVERGENCE = 1e-4  # eigenvalue, 0-1, below which viewing axes count as parallel (about 1° apart)


@dataclass(frozen=True)
class Pose:
    """One view's camera and that of its input. Matrices are (4, 4), world to camera."""

    world_to_camera: np.ndarray
    input_world_to_camera: np.ndarray
    focal_px: float
    width: int
    height: int
    angle_deg: float  # from the input, -180 to 180

    @property
    def position(self) -> np.ndarray:
        """(3,) in the world."""
        return np.linalg.inv(self.world_to_camera)[:3, 3]

    @property
    def axis(self) -> np.ndarray:
        """(3,) unit vector along which the camera looks, in the world."""
        backward = self.world_to_camera[2, :3]
        return -backward / np.linalg.norm(backward)


def read_pose(data: bytes) -> Pose:
    """The pose in a pose.json.

    Raises:
        ValueError: says what is wrong with it.
    """
    try:
        raw = json.loads(data)
        convention = raw.get("convention", "opengl")
        matrices = [np.array(raw[key], float) for key in ("world_to_camera", "input_world_to_camera")]
        focal_px, width, height = float(raw["focal_px"]), int(raw["width"]), int(raw["height"])
        turn_deg = float(raw["angle_deg"]) if "angle_deg" in raw else _angle_between(*matrices)
    except KeyError as error:
        raise ValueError(f"key {error} is missing") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"not a pose: {error}") from None
    if convention != "opengl":
        raise ValueError(f"convention {convention!r}; only 'opengl' is known")
    if any(matrix.shape != (4, 4) for matrix in matrices):
        raise ValueError("world_to_camera and input_world_to_camera must be 4×4")
    if not all(np.isfinite(matrix).all() and abs(np.linalg.det(matrix)) > 1e-9 for matrix in matrices):
        raise ValueError("a matrix is not finite or cannot be inverted")
    for key, matrix in zip(("world_to_camera", "input_world_to_camera"), matrices, strict=True):
        if np.abs(matrix[3] - [0, 0, 0, 1]).max() > LEAST_RIGID:
            raise ValueError(f"the last row of {key} is not 0 0 0 1: transposed?")
    if not (np.isfinite([focal_px, turn_deg]).all() and min(focal_px, width, height) > 0):
        raise ValueError("focal_px, width and height must be above 0, angle_deg finite")
    return Pose(matrices[0], matrices[1], focal_px, width, height, (turn_deg + 180) % 360 - 180)


def point_cloud(depth: np.ndarray, pose: Pose) -> np.ndarray:
    """(N, 3) points in the world, from the input's depth map (H, W) and camera; depths of 0 or less left out.

    The depth map may be smaller or larger than the view: the field of view is the same.
    """
    height, width = depth.shape
    step = max(1, -(-max(height, width) // MOST_POINTS_PER_SIDE))
    focal = pose.focal_px * width / pose.width
    rows, columns = np.mgrid[0:height:step, 0:width:step]
    distance = depth[::step, ::step].astype(float)
    x = (columns + 0.5 - width / 2) / focal * distance
    y = -(rows + 0.5 - height / 2) / focal * distance
    in_camera = np.stack([x, y, -distance], axis=-1)[np.isfinite(distance) & (distance > 0)]
    to_world = np.linalg.inv(pose.input_world_to_camera)
    return in_camera @ to_world[:3, :3].T + to_world[:3, 3]


def places(depth: np.ndarray) -> np.ndarray:
    """(N, 2) of the points of `point_cloud`: column and row in the picture, as shares of its width and height."""
    height, width = depth.shape
    step = max(1, -(-max(height, width) // MOST_POINTS_PER_SIDE))
    rows, columns = np.mgrid[0:height:step, 0:width:step]
    distance = depth[::step, ::step].astype(float)
    share = np.stack([(columns + 0.5) / width, (rows + 0.5) / height], axis=-1)
    found: np.ndarray = share[np.isfinite(distance) & (distance > 0)]
    return found


def projected(points: np.ndarray, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Where world points (N, 3) fall: (N, 2) shares of width and height, and whether in front and inside the frame."""
    x, y, z = _to_camera(points, pose).T
    scale = pose.focal_px / np.where(z < 0, -z, np.inf)
    where = np.stack([x * scale / pose.width + 0.5, 0.5 - y * scale / pose.height], axis=1)
    return where, (z < 0) & (where >= 0).all(axis=1) & (where < 1).all(axis=1)


def visibility(points: np.ndarray, pose: Pose) -> tuple[float, float]:
    """What a camera sees of world points (N, 3), whether or not one hides another.

    Returns:
        Share of the points in front of the camera and inside its frame; share of the frame, in 16×16 cells, that
        they fall in.
    """
    where, inside = projected(points, pose)
    column, row = (where[inside] * CELLS).astype(int).T
    cells = np.unique(row * CELLS + column)
    return float(inside.mean()), len(cells) / CELLS**2


def off_axis_deg(point: np.ndarray, pose: Pose) -> float:
    """Angle between the viewing axis and a world point, 0-180°."""
    x, y, z = _to_camera(point[None], pose)[0]
    return float(np.degrees(np.arctan2(np.hypot(x, y), -z)))


def meeting_point(poses: Sequence[Pose]) -> Point | None:
    """Point nearest to all viewing axes (least squares): what an orbit looks at; None for parallel ones."""
    if not poses:
        return None
    across = [np.eye(3) - np.outer(pose.axis, pose.axis) for pose in poses]
    total = np.sum(across, axis=0)
    if np.linalg.eigvalsh(total)[0] < LEAST_CONVERGENCE * len(poses):
        return None
    x, y, z = np.linalg.solve(total, np.sum([a @ p.position for a, p in zip(across, poses, strict=True)], axis=0))
    return float(x), float(y), float(z)


def _to_camera(points: np.ndarray, pose: Pose) -> np.ndarray:
    return points @ pose.world_to_camera[:3, :3].T + pose.world_to_camera[:3, 3]


def _angle_between(a: np.ndarray, b: np.ndarray) -> float:
    """Between the viewing axes of two world-to-camera matrices, degrees."""
    cosine = a[2, :3] @ b[2, :3] / (np.linalg.norm(a[2, :3]) * np.linalg.norm(b[2, :3]))
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
