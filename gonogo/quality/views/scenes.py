"""Scenes on disk: what lies in a data folder, and one of them read, every file once, every fault noted."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from gonogo.base.errors import UserError
from gonogo.base.files import survey
from gonogo.quality.file_kind import what_is_there
from gonogo.quality.inspector import ItemFiles, ItemReading, Scan, StatisticsCache
from gonogo.quality.pictures.hashes import near_hash
from gonogo.quality.pictures.matching import inliers_of_files
from gonogo.quality.pictures.measurements import ImageStatistics
from gonogo.quality.pictures.statistics import pair_statistics
from gonogo.quality.views import cameras
from gonogo.quality.views.cameras import Pose
from gonogo.quality.views.measurements import (
    DEPTH,
    INPUT,
    INPUT_DEPTH,
    PICTURE,
    POSE,
    SOURCE,
    SceneMeasurement,
    ViewMeasurement,
)
from gonogo.quality.views.pose_agreement import agreement
from gonogo.quality.views.reader import FileReader

SCENE, VIEW = re.compile(r"image_\d+"), re.compile(r"view_\d+")
THUMBNAIL_SIDE = 8  # pixels


def scan(folder: Path) -> Scan:
    """Scenes in the order of their numbers, and the files that belong to none, from the folder.

    Raises:
        UserError: there is no scene.
    """
    names = sorted((path.name for path in folder.iterdir() if _is_scene(path)), key=_number)
    scenes: dict[str, list[str]] = {name: [] for name in names}
    others: list[str] = []
    files, unlisted = survey(folder)
    for path in files:
        relative = path.relative_to(folder)
        scenes.get(relative.parts[0], others).append(relative.as_posix())
    if not scenes:
        where = what_is_there(others, unlisted)
        raise UserError(
            f"{folder}: no scene here. A scene is a folder image_NNNN/ with {INPUT} and view_NNN/{PICTURE}. {where}"
        )
    return Scan([ItemFiles(folder, name, tuple(own)) for name, own in scenes.items()], others, unlisted)


def read_scene(scene: ItemFiles, cache: StatisticsCache) -> ItemReading:
    """Statistics of the input and its views, and what the cameras see; hashes of all files, read or not."""
    reader = FileReader(scene.folder, frozenset(scene.files), cache)
    names = _view_names(scene)
    paths = [INPUT, *(f"{name}/{PICTURE}" for name in names)]
    source, *pictures = reader.pictures([f"{scene.name}/{path}" for path in paths])
    depth = reader.depth(f"{scene.name}/{INPUT_DEPTH}")
    group = reader.group(f"{scene.name}/{SOURCE}")
    views, poses = [], []
    for name, picture in zip(names, pictures, strict=True):
        stem = f"{scene.name}/{name}"
        rendered = reader.depth(f"{stem}/{DEPTH}")
        pose = reader.pose(f"{stem}/{POSE}")
        poses.append(pose)
        views.append(
            ViewMeasurement(
                name=name,
                picture=picture,
                pair=pair_statistics(source, picture),
                angle_deg=None if pose is None else pose.angle_deg,
                rendered_share=None if rendered is None else float((rendered > 0).mean()),
                thumbnail=encoded_thumbnail(picture),
            )
        )
    result = SceneMeasurement(
        name=scene.name,
        folder=str(scene.folder),
        content=source.sha256,
        near="" if source.thumbnail is None else near_hash(source.thumbnail),
        group=group,
        input=source,
        thumbnail=encoded_thumbnail(source),
        views=views,
    )
    if depth is not None:
        _add_visibility(result, depth, poses)
        fits = agreement(depth, source.thumbnail, poses, [picture.thumbnail for picture in pictures])
        for view, fit in zip(views, fits, strict=True):
            view.pose_fit = fit
    reader.hash_the_rest()
    result.files, result.problems = reader.files_expected, reader.problems
    return ItemReading(result, reader.hashes)


def nearest_view_inliers(scene: ItemFiles) -> int | None:
    """How many points of the input are found again in the view from nearest by, on one motion of the camera."""
    reader = FileReader(scene.folder, frozenset(scene.files), StatisticsCache())
    views = []
    for name in _view_names(scene):
        pose = reader.pose(f"{scene.name}/{name}/{POSE}")
        views.append((abs(pose.angle_deg) if pose else 0.0, name))
    if not views:
        return None
    folder = scene.folder / scene.name
    return inliers_of_files(folder / INPUT, folder / min(views)[1] / PICTURE)


def encoded_thumbnail(picture: ImageStatistics) -> str:
    """8×8 BGR, base64; empty where the picture cannot be judged."""
    if picture.thumbnail is None:
        return ""
    small = cv2.resize(picture.thumbnail, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    return base64.b64encode(small.astype(np.uint8).tobytes()).decode()


def _add_visibility(scene: SceneMeasurement, depth: np.ndarray, poses: Sequence[Pose | None]) -> None:
    """Fill in what the cameras see of the input's points."""
    readable = [pose for pose in poses if pose is not None]
    if not readable:
        return
    points = cameras.point_cloud(depth, readable[0])
    if not len(points):
        return
    centre = np.median(points, axis=0)
    scene.cloud_centre = (float(centre[0]), float(centre[1]), float(centre[2]))
    scene.look_at = cameras.meeting_point(readable)
    for view, pose in zip(scene.views, poses, strict=True):
        if pose is not None:
            view.visible_points_share, view.cloud_frame_share = cameras.visibility(points, pose)
            view.cloud_off_axis_deg = cameras.off_axis_deg(centre, pose)


def _view_names(scene: ItemFiles) -> list[str]:
    parts = {path.split("/")[1] for path in scene.files if path.count("/") >= 2}
    return sorted((part for part in parts if VIEW.fullmatch(part)), key=_number)


def _is_scene(path: Path) -> bool:
    return SCENE.fullmatch(path.name) is not None and not path.is_symlink() and path.is_dir()


def _number(name: str) -> tuple[int, str]:
    return int(name.rsplit("_", 1)[1]), name
