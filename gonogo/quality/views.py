"""Measure posed views: every file read once, no threshold anywhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from gonogo.files import digest, file_digest
from gonogo.quality.measurements import FileProblem, SceneMeasurement, ViewMeasurements
from gonogo.quality.scenes import SceneReading, read_scene, scan

WORKERS = min(4, os.cpu_count() or 1)
PAIRING_SIDE = 8  # pixels of the normalised thumbnails that tell pairs apart


def measure(folders: Sequence[Path], progress: Callable[[int, int], None] | None = None) -> ViewMeasurements:
    """Statistics of every scene below the folders, of the set, and the hash of every file.

    A file that cannot be read is a finding (`problems`), never an error. `inputs_digest` is
    `gonogo.evidence.data_digest(folders)`, made from the hashes that were taken on the way.

    Args:
        folders: data folders (shards), each with `image_NNNN/` scenes.
        progress: called with (scenes done, scenes in all).

    Raises:
        UserError: a folder is missing, no folder holds a scene, or two hold the same one.
    """
    folders = [Path(folder) for folder in folders]
    scenes, others = scan(folders)
    manifests: dict[Path, dict[str, str]] = {folder: {} for folder in folders}
    for folder, path in others:
        manifests[folder][path] = file_digest(folder / path)
    collected = _Collected()
    with ThreadPoolExecutor(WORKERS) as pool:
        for done, (files, reading) in enumerate(zip(scenes, pool.map(read_scene, scenes), strict=True), 1):
            manifests[files.folder].update(reading.hashes)
            collected.add(reading)
            if progress:
                progress(done, len(scenes))
    _note_pairing(collected)
    _note_identical(collected.scenes)
    return ViewMeasurements(
        inputs_digest=digest([sorted(manifests[folder].items()) for folder in folders]),
        folders=[str(folder) for folder in folders],
        scenes=collected.scenes,
        files=collected.files,
        problems=collected.problems,
        view_variance_ratio=_variance_ratio(collected),
        pairing_auc=_mean([v.nearer_than_others for s in collected.scenes for v in s.views]),
        manifest={path: sha256 for part in manifests.values() for path, sha256 in sorted(part.items())},
    )


@dataclass
class Spread:
    """Running sums of thumbnails, whose variance adds up over parts of a set exactly."""

    count: int = 0
    total: np.ndarray | float = 0.0
    squares: np.ndarray | float = 0.0

    def add(self, thumbnail: np.ndarray) -> None:
        values = thumbnail.astype(np.float64)
        self.count += 1
        self.total = self.total + values
        self.squares = self.squares + values * values

    @property
    def variance(self) -> float:
        """Over the thumbnails, summed over pixels and channels; luma levels squared."""
        mean = self.total / self.count
        return float(np.sum(self.squares / self.count - mean * mean))


@dataclass
class _Collected:
    """What is kept of scenes already read: scalars, and 8×8 thumbnails of unit length."""

    scenes: list[SceneMeasurement] = field(default_factory=list)
    problems: list[FileProblem] = field(default_factory=list)
    files: int = 0
    input_spread: Spread = field(default_factory=Spread)
    view_spread: Spread = field(default_factory=Spread)
    inputs: dict[int, np.ndarray] = field(default_factory=dict)  # scene → (192,)
    views: dict[int, dict[int, np.ndarray]] = field(default_factory=dict)  # scene → view → (192,)

    def add(self, reading: SceneReading) -> None:
        number, scene = len(self.scenes), reading.scene
        self.scenes.append(scene)
        self.problems += reading.problems
        self.files += reading.files
        if scene.input.thumbnail is not None:
            self.input_spread.add(scene.input.thumbnail)
            self.inputs[number] = _normalised(scene.input.thumbnail)
            scene.input.thumbnail = None
        self.views[number] = {}
        for index, view in enumerate(scene.views):
            if view.picture.thumbnail is not None:
                self.view_spread.add(view.picture.thumbnail)
                self.views[number][index] = _normalised(view.picture.thumbnail)
                view.picture.thumbnail = None


def _normalised(thumbnail: np.ndarray) -> np.ndarray:
    """(8·8·3,) float32 of mean 0 and length 1, so that brightness and contrast do not tell pairs apart."""
    small = cv2.resize(thumbnail, (PAIRING_SIDE, PAIRING_SIDE), interpolation=cv2.INTER_AREA).ravel()
    small = small - small.mean()
    return small / max(float(np.linalg.norm(small)), 1e-6)


def _note_pairing(collected: _Collected) -> None:
    """For every view, the share of other scenes' inputs further from it than its own; ties count half."""
    if len(collected.inputs) < 2:
        return
    order = list(collected.inputs)
    inputs = np.stack(list(collected.inputs.values()))  # (N, 192)
    for own, number in enumerate(order):
        views = collected.views[number]
        if not views:
            continue
        likeness = np.stack(list(views.values())) @ inputs.T  # (V, N) cosine: order as of distances
        against = likeness[:, own : own + 1]
        further = (likeness < against).sum(1) + 0.5 * ((likeness == against).sum(1) - 1)
        for index, share in zip(views, further / (len(order) - 1), strict=True):
            collected.scenes[number].views[index].nearer_than_others = float(share)


def _note_identical(scenes: Sequence[SceneMeasurement]) -> None:
    """Inputs and views whose bytes were seen before."""
    inputs: dict[str, str] = {}
    views: dict[str, str] = {}
    for scene in scenes:
        if scene.input.pixels:
            first = inputs.setdefault(scene.input.sha256, scene.name)
            scene.identical_to = first if first != scene.name else ""
        for view in scene.views:
            path = f"{scene.name}/{view.name}"
            if view.picture.pixels:
                first = views.setdefault(view.picture.sha256, path)
                view.identical_to = first if first != path else ""


def _variance_ratio(collected: _Collected) -> float | None:
    if collected.input_spread.count < 2 or collected.view_spread.count < 2:
        return None
    inputs = collected.input_spread.variance
    return collected.view_spread.variance / inputs if inputs > 1e-6 else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
