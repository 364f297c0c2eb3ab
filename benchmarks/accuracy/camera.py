"""What another camera would see of a picture: views without a renderer, exact or nearly so."""

from __future__ import annotations

import cv2
import numpy as np

FOCAL_RATIO = 1.2  # focal length / picture's side
ARC_DEG, ELEVATION_DEG = 25.0, 8.0
RELIEF = 0.06  # of the picture's side: largest shift by parallax


def moved(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """A view of the picture from elsewhere: a plane, a relief or a turned camera, as a camera would record it."""
    how = rng.integers(4)
    if how == 0:
        view = plane(rng, picture)
    elif how == 1:
        view = relief(rng, picture)
    else:
        view = turned(rng, picture)
    return recorded(rng, view)


def plane(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """The picture on a plane, orbited; black beyond its edge, as beyond the cloud of a single picture."""
    size = picture.shape[0]
    azimuth, elevation = np.radians(rng.uniform(-ARC_DEG, ARC_DEG)), np.radians(rng.uniform(-1, 1) * ELEVATION_DEG)
    turn, _ = cv2.Rodrigues(np.array([0.0, azimuth, 0.0]))
    tilt, _ = cv2.Rodrigues(np.array([elevation, 0.0, 0.0]))
    rotation = tilt @ turn
    focal = FOCAL_RATIO * size
    camera = np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]])
    onto_plane = np.diag([1 / focal, 1 / focal, 1]) @ np.array([[1, 0, -size / 2], [0, 1, -size / 2], [0, 0, 1]])
    flat = np.column_stack([rotation[:, 0], rotation[:, 1], np.array([0.0, 0.0, 1.0])])
    return cv2.warpPerspective(picture, camera @ flat @ onto_plane, (size, size), flags=cv2.INTER_LINEAR)


def turned(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """A little nearer, shifted, rolled and seen askew, so that the frame stays full."""
    size = picture.shape[0]
    corners = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float32)
    inset = size * rng.uniform(0.02, 0.14, (4, 2)) * np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    roll = cv2.getRotationMatrix2D((size / 2, size / 2), rng.uniform(-6, 6), 1.0)
    source = (corners + inset).astype(np.float32) @ roll[:, :2].T.astype(np.float32) + roll[:, 2].astype(np.float32)
    matrix = cv2.getPerspectiveTransform(source.astype(np.float32), corners)
    return cv2.warpPerspective(picture, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def relief(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Shifted by the parallax of a smooth relief, middle and lower parts nearer."""
    size = picture.shape[0]
    coarse = rng.uniform(0, 1, (4, 4)).astype(np.float32) + np.linspace(0, 1, 4, dtype=np.float32)[:, None]
    nearness = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    shift = (nearness - nearness.mean()) * RELIEF * size * rng.choice([-1, 1]) * rng.uniform(0.5, 1)
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    zoom = 1 - rng.uniform(0.04, 0.12)
    x = (columns - size / 2) * zoom + size / 2 + shift
    y = (rows - size / 2) * zoom + size / 2 + 0.2 * shift
    return cv2.remap(
        picture, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )


def recorded(rng: np.random.Generator, view: np.ndarray) -> np.ndarray:
    """With what no one would blame: exposure within 12 %, a little softness, a little grain, JPEG of quality 85+.

    No exposure burns out what was not white before.
    """
    brightest = max(float(np.quantile(view, 0.9)), 1.0)
    view = view * min(rng.uniform(0.88, 1.12), max(250 / brightest, 1.0))
    if rng.random() < 0.4:
        view = cv2.GaussianBlur(view, (0, 0), rng.uniform(0.2, 0.35) + view.shape[0] / 1000)
    if rng.random() < 0.4:
        view = view + rng.normal(0, rng.uniform(1, 3), view.shape)
    view = view.clip(0, 255).astype(np.uint8)
    return jpeg(view, int(rng.integers(85, 96))) if rng.random() < 0.3 else view


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)
