"""Scenes on disk (layout: gonogo.quality.measurements): every file read once, every fault noted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gonogo.errors import UserError
from gonogo.files import walk
from gonogo.quality import cameras
from gonogo.quality.cameras import Pose
from gonogo.quality.measurements import (
    DEPTH,
    INPUT,
    INPUT_DEPTH,
    PICTURE,
    POSE,
    FileProblem,
    SceneMeasurement,
    ViewMeasurement,
)
from gonogo.quality.reader import FileReader
from gonogo.quality.statistics import pair_statistics

SCENE, VIEW = re.compile(r"image_\d+"), re.compile(r"view_\d+")


@dataclass(frozen=True)
class SceneFiles:
    """What lies below one `image_NNNN/`, unread."""

    folder: Path
    name: str
    files: frozenset[str]  # from the data folder

    @property
    def views(self) -> list[str]:
        parts = {path.split("/")[1] for path in self.files if path.count("/") >= 2}
        return sorted((part for part in parts if VIEW.fullmatch(part)), key=_number)


def scan(folders: Sequence[Path]) -> tuple[list[SceneFiles], list[tuple[Path, str]]]:
    """Scenes in the order of their numbers, and the files that belong to none as (data folder, path from it).

    Raises:
        UserError: a folder is missing, no folder holds a scene, or two hold the same one.
    """
    scenes: dict[str, SceneFiles] = {}
    others: list[tuple[Path, str]] = []
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder. Generate the data, or name the folder that holds image_NNNN/.")
        names = sorted(path.name for path in folder.iterdir() if _is_scene(path))
        found: dict[str, set[str]] = {name: set() for name in names}
        for path in walk(folder):
            relative = path.relative_to(folder)
            if relative.parts[0] in found:
                found[relative.parts[0]].add(relative.as_posix())
            else:
                others.append((folder, relative.as_posix()))
        for name, files in found.items():
            if name in scenes:
                raise UserError(f"{name} is in {scenes[name].folder} and in {folder}: give each scene its own number.")
            scenes[name] = SceneFiles(folder, name, frozenset(files))
    if not scenes:
        where = ", ".join(map(str, folders)) or "no folder"
        raise UserError(f"{where}: no scene here. A scene is a folder image_NNNN/ with {INPUT} and view_NNN/{PICTURE}.")
    return sorted(scenes.values(), key=lambda scene: _number(scene.name)), others


@dataclass
class SceneReading:
    """One scene as it was read. Hashes are of all its files; `files` counts those that checks asked for."""

    scene: SceneMeasurement
    hashes: dict[str, str] = field(default_factory=dict)
    problems: list[FileProblem] = field(default_factory=list)
    files: int = 0


def read_scene(scene: SceneFiles) -> SceneReading:
    """Statistics of the input and its views, and what the cameras see; hashes of all files, read or not."""
    reader = FileReader(scene.folder, scene.files)
    source = reader.picture(f"{scene.name}/{INPUT}")
    depth = reader.depth(f"{scene.name}/{INPUT_DEPTH}")
    views, poses = [], []
    for name in scene.views:
        stem = f"{scene.name}/{name}"
        picture = reader.picture(f"{stem}/{PICTURE}")
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
            )
        )
    result = SceneMeasurement(name=scene.name, folder=str(scene.folder), input=source, views=views)
    if depth is not None:
        _look(result, depth, poses)
    reader.hash_the_rest()
    return SceneReading(result, reader.hashes, reader.problems, reader.asked)


def _look(scene: SceneMeasurement, depth: np.ndarray, poses: Sequence[Pose | None]) -> None:
    """Fill in what the cameras see of the input's points."""
    known = [pose for pose in poses if pose is not None]
    if not known:
        return
    points = cameras.point_cloud(depth, known[0])
    if not len(points):
        return
    centre = np.median(points, axis=0)
    scene.cloud_centre = (float(centre[0]), float(centre[1]), float(centre[2]))
    scene.look_at = cameras.meeting_point(known)
    for view, pose in zip(scene.views, poses, strict=True):
        if pose is not None:
            view.visible_points_share, view.cloud_frame_share = cameras.sight(points, pose)
            view.cloud_off_axis_deg = cameras.off_axis_deg(centre, pose)


def _is_scene(path: Path) -> bool:
    return path.is_dir() and SCENE.fullmatch(path.name) is not None


def _number(name: str) -> tuple[int, str]:
    return int(name.rsplit("_", 1)[1]), name
