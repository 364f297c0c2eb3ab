"""Does a view show the input's scene from elsewhere? Points found in both pictures, and how many agree on one motion.

ORB: Rublee et al., ICCV 2011. MAGSAC++: Barath et al., CVPR 2020, a robust fit of the fundamental matrix, which any two
pictures of a rigid scene share.

On crops of photographs and moved views of them, 64 to 256 pixels, 93-97 % of right pairs have TELLING_INLIERS, and
3-14 % of wrong ones, 3-10 % of views upside down, 7-10 % of mirrored ones. A pair takes 5 to 10 ms, so it is asked of
a sample, and its answer is about the set: most of its pairs agree, or they do not.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

LEAST_SIDE = 64  # pixels; below, one wrong pair in six reaches TELLING_INLIERS
WORKING_SIDE = 256  # smaller pictures are enlarged to this, larger ones reduced to twice as much
POINTS = 800
FAST_THRESHOLD = 7  # levels; ORB's own 20 finds too little in smooth pictures
RATIO = 0.75  # of the best match's distance to the second best (Lowe, IJCV 2004)
LEAST_MATCHES = 8  # for a fundamental matrix
PIXELS_OFF, CONFIDENCE, ROUNDS = 1.5, 0.999, 2000
TELLING_INLIERS = 15  # at least so many tell a view of the scene from another's


def inliers(x: np.ndarray, y: np.ndarray) -> int | None:
    """Point matches between two BGR uint8 pictures that agree on one motion of the camera.

    `TELLING_INLIERS` or more: they show the same scene. None: it cannot be told, because a picture is smaller than
    `LEAST_SIDE` or X has too few points of its own (a gradient, a foggy sky).
    """
    if min(*x.shape[:2], *y.shape[:2]) < LEAST_SIDE:
        return None
    detector = cv2.ORB.create(POINTS, fastThreshold=FAST_THRESHOLD, edgeThreshold=15, patchSize=31)
    points_x, codes_x = detector.detectAndCompute(_working(x), None)
    points_y, codes_y = detector.detectAndCompute(_working(y), None)
    if codes_x is None or len(points_x) < TELLING_INLIERS:
        return None
    if codes_y is None or len(points_y) < LEAST_MATCHES:
        return 0
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(codes_x, codes_y, k=2)
    kept = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < RATIO * pair[1].distance]
    return _agreeing(
        np.array([points_x[match.queryIdx].pt for match in kept], np.float32),
        np.array([points_y[match.trainIdx].pt for match in kept], np.float32),
    )


def inliers_of_files(x: Path, y: Path) -> int | None:
    """`inliers` of two picture files; None also where one cannot be read."""
    first, second = (cv2.imread(str(path), cv2.IMREAD_COLOR) for path in (x, y))
    return None if first is None or second is None else inliers(first, second)


def _working(picture: np.ndarray) -> np.ndarray:
    """Grey, of a size in which ORB finds points: enlarged smoothly where it is small."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    side = min(grey.shape)
    scale = max(WORKING_SIDE / side, 1) if side < 2 * WORKING_SIDE else 2 * WORKING_SIDE / side
    if scale == 1:
        return grey
    return cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)


def _agreeing(points_x: np.ndarray, points_y: np.ndarray) -> int:
    """How many of the matched points (N, 2) fit one epipolar geometry."""
    if len(points_x) < LEAST_MATCHES:
        return 0
    try:
        _, mask = cv2.findFundamentalMat(points_x, points_y, cv2.USAC_MAGSAC, PIXELS_OFF, CONFIDENCE, ROUNDS)
    except cv2.error:  # points on one line or in one place
        return 0
    return 0 if mask is None else int(np.count_nonzero(mask))
