"""Pinhole cameras in the OpenGL convention, and the orbits of the views.

World and camera axes are right-handed: x to the right, y up, looking along -z. The input camera sits at the
world's origin and looks along -z, so the cloud made from its picture lies at z in [-far, -near].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.cvs.settings import DataSettings

AZIMUTH_JITTER = 0.2  # of the step between neighbouring views


@dataclass(frozen=True)
class Camera:
    """Square pixels, principal point at the picture's centre.

    Attributes:
        world_to_camera: (4, 4) float64, rigid.
        focal_px: focal length in pixels.
    """

    world_to_camera: np.ndarray
    focal_px: float
    width: int
    height: int

    @property
    def forward(self) -> np.ndarray:
        """Viewing direction in the world, unit length (3,)."""
        return -self.world_to_camera[2, :3]

    def resized(self, size: int) -> Camera:
        """The same view on a square picture of another size."""
        return Camera(self.world_to_camera, self.focal_px * size / self.width, size, size)


def input_camera(settings: DataSettings) -> Camera:
    """The camera that took the photograph."""
    size = settings.image_size
    return Camera(np.eye(4), settings.focal_ratio * size, size, size)


def orbit_camera(
    settings: DataSettings, centre: np.ndarray, radius: float, azimuth_deg: float, elevation_deg: float
) -> Camera:
    """A camera on a sphere, looking at its centre; at azimuth 0, elevation 0 it stands on the +z side.

    Args:
        centre: (3,) world coordinates.
        radius: scene units.
        azimuth_deg: positive moves the camera to the right, which shows the scene's right side.
    """
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    back = np.array(
        [
            math.sin(azimuth) * math.cos(elevation),
            math.sin(elevation),
            math.cos(azimuth) * math.cos(elevation),
        ]
    )
    right = np.array([math.cos(azimuth), 0.0, -math.sin(azimuth)])
    matrix = np.eye(4)
    matrix[:3, :3] = [right, np.cross(back, right), back]
    matrix[:3, 3] = -matrix[:3, :3] @ (centre + radius * back)
    size = settings.image_size
    return Camera(matrix, settings.focal_ratio * size, size, size)


def orbit(settings: DataSettings, cloud_distance: float, rng: np.random.Generator) -> list[Camera]:
    """The cameras of one item's views: evenly over the arc around the input's pose, each slightly displaced.

    Args:
        cloud_distance: from the input camera to the cloud's centre, scene units.
        rng: the item's random generator, for the displacements.
    """
    cameras, views = settings.cameras, settings.views
    centre = np.zeros(3) if cameras.orbit == "origin" else np.array([0.0, 0.0, -cloud_distance])
    radius = cameras.radius or float(np.linalg.norm(centre))
    if cameras.arc_deg >= 360:
        step = cameras.arc_deg / views
        azimuths = step * np.arange(views)
    else:
        step = cameras.arc_deg / max(views - 1, 1)
        azimuths = step * (np.arange(views) - (views - 1) / 2)
    azimuths = azimuths + step * AZIMUTH_JITTER * rng.uniform(-0.5, 0.5, views)
    elevations = cameras.elevation_deg * rng.uniform(-1, 1, views)
    return [orbit_camera(settings, centre, radius, a, e) for a, e in zip(azimuths, elevations, strict=True)]


def pose(camera: Camera, reference: Camera) -> dict[str, Any]:
    """What `pose.json` holds: matrices as nested lists, row by row, and the angle between the views"""
    cosine = float(np.clip(camera.forward @ reference.forward, -1, 1))
    return {
        "convention": "opengl",
        "world_to_camera": camera.world_to_camera.tolist(),
        "input_world_to_camera": reference.world_to_camera.tolist(),
        "focal_px": camera.focal_px,
        "width": camera.width,
        "height": camera.height,
        "angle_deg": math.degrees(math.acos(cosine)),
    }
