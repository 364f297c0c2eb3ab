"""The pose of a view as the network receives it: relative to the input camera, never in world coordinates.

Training and prediction call the same function, so they cannot disagree about what the numbers mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

POSE_SIZE = 15


def relative_pose(world_to_camera: ArrayLike, input_world_to_camera: ArrayLike) -> np.ndarray:
    """15 numbers that give a view's pose relative to the input camera; (15,) float32.

    Moving the whole world (both cameras by the same rigid motion) leaves them unchanged.

    | entries | meaning |
    |---|---|
    | 0-8 | rotation from the input camera's axes to the view's, row by row |
    | 9-11 | the corresponding translation, scene units: `x_view = R @ x_input + t` |
    | 12, 13 | sine and cosine of the azimuth of the view's direction; positive when it looks to the right |
    | 14 | elevation of the view's direction, radians; positive when it looks up |

    Args:
        world_to_camera: (4, 4), rigid, OpenGL axes: x to the right, y up, looking along -z.
        input_world_to_camera: the same of the input camera.
    """
    view, reference = (np.asarray(matrix, np.float64) for matrix in (world_to_camera, input_world_to_camera))
    motion = view @ np.linalg.inv(reference)
    forward = -motion[2, :3]
    azimuth = np.arctan2(forward[0], -forward[2])
    elevation = np.arcsin(np.clip(forward[1], -1, 1))
    rest = [*motion[:3, 3], np.sin(azimuth), np.cos(azimuth), elevation]
    return np.array([*motion[:3, :3].flatten(), *rest], np.float32)
