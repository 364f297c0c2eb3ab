"""Do the pictures fit their poses? The input, moved by its depth into each view, against what the view shows.

The same is done with inverted poses and with those of other views: where one of these fits better in most views, that
is what happened to them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from gonogo.quality.views.cameras import Pose, places, point_cloud, projected
from gonogo.quality.views.findings import SceneFinding
from gonogo.verdict import Check, Status, not_measured

ID, TITLE = "poses", "Poses that fit their pictures"
CELLS = 16  # a side, in which moved input and view are compared
LEAST_CELLS, LEAST_SIGMA = 60, 6.0  # cells that are seen, of 256; levels in them: less says nothing
ANGLES_DEG = (3.0, 60.0)  # of views that are asked: nearer all poses fit, further other sides are seen
MOST_OTHERS = 6  # views whose poses are tried
MARGIN = 0.15  # of correlation, by which another pose has to fit better
FEWEST = 8  # views, from which on a share says something
STOP, WARN = 0.5, 0.25  # share of views that another pose fits better
SAME_POSE = 1e-6
LIKELIER = 1.25  # than an exchange is what explains about as many views by itself
SAID = {
    "inverted": ("camera-to-world matrices in place of world-to-camera", "Invert them when they are written."),
    "exchanged": ("poses of other views", "Write each picture and its pose in one step."),
    "same": ("one and the same pose in views that differ", "Write each view's own pose."),
}


def agreement(
    depth: np.ndarray, source: np.ndarray | None, poses: Sequence[Pose | None], views: Sequence[np.ndarray | None]
) -> list[dict[str, float]]:
    """Of each view, the correlation with the moved input: by its own pose, and by others; empty where it says nothing.

    Args:
        depth: of the input (H, W).
        source, views: thumbnails, BGR.
    """
    found: list[dict[str, float]] = [{} for _ in poses]
    first = next((pose for pose in poses if pose is not None), None)
    if source is None or first is None:
        return found
    points, colours = point_cloud(depth, first), _sampled(_grey(source), places(depth))
    for at, (pose, view) in enumerate(zip(poses, views, strict=True)):
        if pose is None or view is None or not ANGLES_DEG[0] <= abs(pose.angle_deg) <= ANGLES_DEG[1]:
            continue
        small = cv2.resize(_grey(view), (CELLS, CELLS), interpolation=cv2.INTER_AREA)
        own = _likeness(points, colours, pose, small)
        if own is None:
            continue
        others = [other for n, other in enumerate(poses) if other is not None and n != at][:: _step(len(poses))]
        tried = {
            "inverted": [dataclasses.replace(pose, world_to_camera=np.linalg.inv(pose.world_to_camera))],
            "exchanged": others,
        }
        found[at] = {"own": own} | {name: _best(points, colours, some, small) for name, some in tried.items()}
        found[at]["same"] = float(any(_is_same(pose, other) for other in others))
    return found


class PoseAgreement:
    """Counts, over all views that can be asked, how many another pose fits better."""

    def __init__(self) -> None:
        self._views = 0
        self._better = dict.fromkeys(SAID, 0)
        self._first: dict[str, list[str]] = {name: [] for name in SAID}

    def add(self, scene: SceneFinding) -> None:
        for view in scene.item.views:
            fit = view.pose_fit
            if not fit:
                continue
            self._views += 1
            for name in SAID:
                fits = fit["same"] > 0 if name == "same" else fit[name] > fit["own"] + MARGIN
                self._better[name] += fits
                if fits and len(self._first[name]) < 2:
                    self._first[name].append(f"{scene.item.path}/{view.name}/pose.json")

    def check(self) -> Check:
        if self._views < FEWEST:
            return not_measured(ID, TITLE, f"{self._views} views whose picture can be held against their pose")
        # of an orbit to both sides, an inverted pose is nearly another view's
        name = max(SAID, key=lambda one: self._better[one] * (1 if one == "exchanged" else LIKELIER))
        share = self._better[name] / self._views
        status = Status.NO_GO if share > STOP else Status.CAUTION if share > WARN else Status.GO
        said, hint = SAID[name]
        bad = status is not Status.GO
        why = f"{self._better[name]} of {self._views} views fit {said} better than their own"
        why = f"{self._better[name]} of {self._views} views have {said}" if name == "same" else why
        return Check(
            id=ID, title=TITLE, value=round(100 * share, 1), unit="% of views fit another pose better",
            threshold=f"<= {100 * WARN:g} %, NO-GO above {100 * STOP:g} %", status=status,
            why=why if bad else "", hint=hint if bad else "", evidence=self._first[name] if bad else [],
        )  # fmt: skip


def _step(views: int) -> int:
    return max(1, views // MOST_OTHERS)


def _is_same(pose: Pose, other: Pose) -> bool:
    return bool(np.abs(pose.world_to_camera - other.world_to_camera).max() < SAME_POSE)


def _grey(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture.astype(np.uint8), cv2.COLOR_BGR2GRAY).astype(np.float32)


def _sampled(grey: np.ndarray, where: np.ndarray) -> np.ndarray:
    """(N,) levels at places (N, 2), column and row as shares of width and height."""
    side = np.array(grey.shape[::-1])
    column, row = np.minimum((where * side).astype(int), side - 1).T
    found: np.ndarray = grey[row, column]
    return found


def _best(points: np.ndarray, colours: np.ndarray, poses: Sequence[Pose], view: np.ndarray) -> float:
    return max((fit for pose in poses if (fit := _likeness(points, colours, pose, view)) is not None), default=-1.0)


def _likeness(points: np.ndarray, colours: np.ndarray, pose: Pose, view: np.ndarray) -> float | None:
    """Correlation over the cells that the moved points fall in; None for few of them, or for plain ones."""
    where, inside = projected(points, pose)
    cells = (where[inside] * CELLS).astype(int)
    flat = cells[:, 1] * CELLS + cells[:, 0]
    counts = np.bincount(flat, minlength=CELLS**2)
    seen = counts > 0
    if seen.sum() < LEAST_CELLS:
        return None
    sums: Any = np.bincount(flat, weights=colours[inside], minlength=CELLS**2)
    moved, shown = sums[seen] / counts[seen], view.ravel()[seen]
    if min(moved.std(), shown.std()) < LEAST_SIGMA:
        return None
    return float(np.corrcoef(moved, shown)[0, 1])
