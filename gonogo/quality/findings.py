"""What is wrong with each scene: which checks fire for its views, and whether the scene is bad."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from gonogo.config import QualityGate
from gonogo.quality.measurements import (
    FileProblem,
    PixelStatistics,
    SceneMeasurement,
    ViewMeasurement,
    ViewMeasurements,
)
from gonogo.quality.pairs import Fault, pair_faults, picture_faults

NEAR_DEG = 5.0  # a view from so near to the input's camera may look like a copy of it
TELLING = ("unreadable", "dark", "misses_cloud", "cloud_small")  # faults that explain others come first


@dataclass(frozen=True)
class ViewFinding:
    """One view, what was measured of it, and the checks that fired."""

    path: str  # from the data folder: `image_0000/view_000`
    measured: ViewMeasurement
    source: PixelStatistics | None  # of the scene's input
    faults: list[Fault]
    side: bool  # further from the input's camera than `side_angle_deg`

    @property
    def ids(self) -> set[str]:
        return {fault.id for fault in self.faults}


@dataclass(frozen=True)
class SceneFinding:
    """One scene: the unit of every decision.

    Attributes:
        faults: of the scene as a whole; each makes it bad.
        bad: by its own faults, or by the share of its views, or of its side views, that have some.
    """

    name: str
    folder: str
    measured: SceneMeasurement
    faults: list[Fault]
    views: list[ViewFinding]
    bad: bool

    @property
    def ids(self) -> set[str]:
        return {fault.id for fault in self.faults}

    @property
    def share_with_faults(self) -> float:
        return share([bool(view.faults) for view in self.views])


def share(flags: list[bool]) -> float:
    """Of the flags that are set; 0 for none."""
    return sum(flags) / len(flags) if flags else 0.0


def expected_views(measured: ViewMeasurements) -> int:
    """Views that a scene has, by the count that most scenes have (the larger of two equally common)."""
    counts = Counter(len(scene.views) for scene in measured.scenes if scene.views)
    return max(counts, key=lambda views: (counts[views], views), default=0)


def find(measured: ViewMeasurements, gate: QualityGate) -> list[SceneFinding]:
    """Every scene with what is wrong with it, worst first."""
    problems: dict[str, list[FileProblem]] = {}
    for problem in measured.problems:
        problems.setdefault(problem.path.split("/")[0], []).append(problem)
    expected = expected_views(measured)
    found = [_scene(scene, problems.get(scene.name, []), expected, gate) for scene in measured.scenes]
    return sorted(found, key=lambda scene: (not scene.bad, -scene.share_with_faults, -len(scene.faults), scene.name))


def too_many(flags: list[bool], gate: QualityGate) -> bool:
    """Whether so many of a scene's views are at fault that the scene is bad."""
    return share(flags) > gate.bad_views_per_scene


def _scene(scene: SceneMeasurement, problems: list[FileProblem], expected: int, gate: QualityGate) -> SceneFinding:
    views = [_view(scene, view, problems, gate) for view in scene.views]
    faults = [
        Fault("unreadable", f"{p.path.rsplit('/', 1)[-1]}: {p.reason}") for p in problems if p.path.count("/") == 1
    ]
    if scene.input.pixels:
        faults += [
            Fault(f"input_{fault.id}", f"input: {fault.reason}") for fault in picture_faults(scene.input.pixels, gate)
        ]
    if len(scene.views) != expected or not scene.views:
        faults.append(Fault("view_count", f"{len(scene.views)} views, not {expected}"))
    bad = (
        bool(faults)
        or bool(problems)
        or too_many([bool(view.faults) for view in views], gate)
        or too_many([bool(view.faults) for view in views if view.side], gate)
    )
    return SceneFinding(scene.name, scene.folder, scene, faults, views, bad)


def _view(
    scene: SceneMeasurement, view: ViewMeasurement, problems: list[FileProblem], gate: QualityGate
) -> ViewFinding:
    path = f"{scene.name}/{view.name}"
    faults = [
        Fault("unreadable", f"{p.path.rsplit('/', 1)[-1]}: {p.reason}")
        for p in problems
        if p.path.startswith(path + "/")
    ]
    x, y = scene.input.pixels, view.picture.pixels
    if x and y and view.pair:
        faults += [fault for fault in pair_faults(x, y, view.pair, gate) if fault.id != "copy" or not _near(view)]
    elif y:
        faults += picture_faults(y, gate)
    if view.identical_to:
        faults.append(Fault("repeated", f"same as {_short(view.identical_to, scene.name)}"))
    faults += _camera_faults(view, gate)
    faults.sort(key=lambda fault: TELLING.index(fault.id) if fault.id in TELLING else len(TELLING))
    side = view.angle_deg is not None and abs(view.angle_deg) > gate.side_angle_deg
    return ViewFinding(path, view, x, faults, side)


def _camera_faults(view: ViewMeasurement, gate: QualityGate) -> list[Fault]:
    """The camera sees too few of the input's points, or sees them so small that they fill too little of its frame."""
    if view.visible_points_share is None or view.cloud_frame_share is None:
        return []
    if view.visible_points_share < gate.min_visible_points:
        return [Fault("misses_cloud", f"misses cloud {view.visible_points_share:.0%}")]
    if view.cloud_frame_share < gate.min_coverage_ratio:
        return [Fault("cloud_small", f"cloud fills {view.cloud_frame_share:.0%}")]
    return []


def _near(view: ViewMeasurement) -> bool:
    """Whether the camera is so near to the input's that the view may look like it."""
    return view.angle_deg is not None and abs(view.angle_deg) <= NEAR_DEG


def _short(path: str, scene: str) -> str:
    """`000` for a view of the same scene, `0003/000` for another's."""
    short = path.replace("image_", "").replace("view_", "")
    return short.split("/")[1] if path.startswith(scene + "/") else short
