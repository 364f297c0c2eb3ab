"""What is wrong with each scene: which checks fire for its views, and whether the scene is bad."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.items import Fault, FileProblem, Finding
from gonogo.quality.pictures.measurements import PixelStatistics
from gonogo.quality.views.measurements import SceneMeasurement, ViewMeasurement
from gonogo.quality.views.overview import SceneOverview
from gonogo.quality.views.pairs import pair_faults, picture_faults

NEAR_DEG = 5.0  # a view from so near to the input's camera may look like a copy of it
ASIDE_DEG = 45.0  # from so far aside an object is narrow, and shows colours that its front does not
BEHIND_DEG = 60.0  # the other side of an object may well be its mirror image
TELLING = ("unreadable", "dark", "misses_cloud", "cloud_small")  # faults that explain others come first


@dataclass(frozen=True)
class ViewFinding:
    """One view, what was measured of it, and the checks that fired."""

    path: str  # from the data folder: `image_0000/view_000`
    folder: str
    measured: ViewMeasurement
    source: PixelStatistics | None  # of the scene's input
    faults: list[Fault]
    side: bool  # further from the input's camera than `side_angle_deg`
    nearer: float | None  # share of other scenes' inputs that are further away than its own; None: not compared
    identical_to: str  # path of an earlier view with the same bytes

    @property
    def ids(self) -> set[str]:
        return {fault.id for fault in self.faults}


@dataclass(frozen=True)
class SceneFinding(Finding):
    """One scene: the unit of every decision. Its own `faults` are those of the scene as a whole."""

    item: SceneMeasurement
    views: list[ViewFinding]
    spoilt: bool  # by the share of its views, or of its side views, that have faults

    @property
    def bad(self) -> bool:
        return self.spoilt or super().bad

    @property
    def badness(self) -> float:
        return share([bool(view.faults) for view in self.views]) + super().badness / 100


def share(flags: list[bool]) -> float:
    """Of the flags that are set; 0 for none."""
    return sum(flags) / len(flags) if flags else 0.0


def too_many(flags: list[bool], gate: QualityGate) -> bool:
    """Whether so many of a scene's views are at fault that the scene is bad."""
    return share(flags) > gate.bad_views_per_scene


def scene_finding(scene: SceneMeasurement, overview: SceneOverview, gate: QualityGate) -> SceneFinding:
    """What is wrong with a scene, in the company of the others."""
    views = [
        _view(scene, view, nearer, overview, gate)
        for view, nearer in zip(scene.views, overview.nearer(scene), strict=True)
    ]
    faults = _unreadable(problem for problem in scene.problems if problem.path.count("/") == 1)
    of_input = picture_faults(scene.input.pixels, gate) if scene.input.pixels else []
    faults += [Fault(f"input_{fault.id}", f"input: {fault.reason}") for fault in of_input]
    expected = overview.expected_views
    if len(scene.views) != expected or not scene.views:
        faults.append(Fault("view_count", f"{len(scene.views)} views, not {expected}"))
    faults += overview.duplicates.faults(scene)
    spoilt = (
        bool(scene.problems)
        or too_many([bool(view.faults) for view in views], gate)
        or too_many([bool(view.faults) for view in views if view.side], gate)
    )
    return SceneFinding(scene, faults, views, spoilt)


def _view(
    scene: SceneMeasurement,
    view: ViewMeasurement,
    nearer: float | None,
    overview: SceneOverview,
    gate: QualityGate,
) -> ViewFinding:
    path = f"{scene.name}/{view.name}"
    faults = _unreadable(problem for problem in scene.problems if problem.path.startswith(path + "/"))
    x, y = scene.input.pixels, view.picture.pixels
    if x and y and view.pair:
        faults += [fault for fault in pair_faults(x, y, view.pair, gate) if not explained_by_pose(fault, view)]
    elif y:
        faults += picture_faults(y, gate)
    original = overview.identical_to(view.picture.sha256 if y else "", path)
    if original:
        faults.append(Fault("repeated", f"same as {_short(original, scene.name)}"))
    faults += _camera_faults(view, gate)
    faults.sort(key=lambda fault: TELLING.index(fault.id) if fault.id in TELLING else len(TELLING))
    side = view.angle_deg is not None and abs(view.angle_deg) > gate.side_angle_deg
    return ViewFinding(path, scene.folder, view, x, faults, side, nearer, original)


def _unreadable(problems: Iterable[FileProblem]) -> list[Fault]:
    return [Fault("unreadable", f"{problem.path.rsplit('/', 1)[-1]}: {problem.reason}") for problem in problems]


def _camera_faults(view: ViewMeasurement, gate: QualityGate) -> list[Fault]:
    """The camera sees too few of the input's points, or sees them so small that they fill too little of its frame."""
    if view.visible_points_share is None or view.cloud_frame_share is None:
        return []
    if view.visible_points_share < gate.min_visible_points:
        return [Fault("misses_cloud", f"misses cloud {view.visible_points_share:.0%}")]
    if view.cloud_frame_share < gate.min_coverage_ratio:
        return [Fault("cloud_small", f"cloud fills {view.cloud_frame_share:.0%}")]
    return []


def explained_by_pose(fault: Fault, view: ViewMeasurement) -> bool:
    """Whether the camera's place explains it: a view from near by looks like its input, from behind like its mirror."""
    if view.angle_deg is None:
        return False
    angle = abs(view.angle_deg)
    by_place = {
        "copy": angle <= NEAR_DEG,
        **dict.fromkeys(("streaks", "foreign_colours"), angle > ASIDE_DEG),
        **dict.fromkeys(("inverted", "upside_down", "mirrored", "quarter"), angle > BEHIND_DEG),
    }
    return by_place.get(fault.id, False)


def _short(path: str, scene: str) -> str:
    """`000` for a view of the same scene, `0003/000` for another's."""
    short = path.replace("image_", "").replace("view_", "")
    return short.split("/")[1] if path.startswith(scene + "/") else short
