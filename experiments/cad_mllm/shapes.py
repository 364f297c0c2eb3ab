"""A solid as a sensor would see it: a point cloud of its surface, and a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.cad_mllm.program import LARGEST

if TYPE_CHECKING:
    from manifold3d import Manifold

HALF = LARGEST / 2  # clouds are centred there and scaled by it: coordinates within about [-1, 1]
SPLATS_PER_PIXEL = 8
LIGHT = np.array([0.35, 0.2, 0.92])  # from above
BACKGROUND = 0.0
REACH = 1.8  # half the picture's side, in the cloud's units


def surface_points(solid: Manifold, count: int, seed: int) -> np.ndarray:
    """(count, 6) float32: positions and outward normals, even over the surface; the same seed gives the same cloud."""
    import trimesh

    mesh = solid.to_mesh()
    surface = trimesh.Trimesh(mesh.vert_properties[:, :3], mesh.tri_verts, process=False)
    places, faces = trimesh.sample.sample_surface(surface, count, seed=seed)
    cloud = np.hstack([(places - HALF) / HALF, surface.face_normals[faces]])
    return cloud.astype(np.float32)


def rendered(cloud: np.ndarray, size: int) -> np.ndarray:
    """(size, size) uint8: a z-buffer of the cloud's points, seen from a corner above, shaded by their normals.

    Args:
        cloud: as dense as `dense_points` requires; from `surface_points`.
    """
    right, up, toward = _axes()
    places, normals = cloud[:, :3], cloud[:, 3:]
    seen = normals @ toward > 0
    places, normals = places[seen], normals[seen]
    column = np.clip((places @ right / REACH + 1) / 2 * size, 0, size - 1).astype(int)
    row = np.clip((1 - places @ up / REACH) / 2 * size, 0, size - 1).astype(int)
    picture = np.full((size, size), BACKGROUND)
    nearest_last = np.argsort(places @ toward)
    shade = 0.25 + 0.75 * np.clip(normals @ LIGHT, 0, 1)
    picture[row[nearest_last], column[nearest_last]] = shade[nearest_last]
    return (255 * picture).round().astype(np.uint8)


def dense_points(size: int) -> int:
    """The number of points that leaves no holes in a picture of this size."""
    return SPLATS_PER_PIXEL * size * size


def _axes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right, up, and toward the eye; each of length 1."""
    toward = np.array([0.6, -0.64, 0.48])
    right = np.cross([0.0, 0.0, 1.0], toward)
    right /= np.linalg.norm(right)
    return right, np.cross(toward, right), toward
