"""Do the cameras look at the cloud of points that the input's depth map gives?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from gonogo.config import QualityGate
from gonogo.quality.asking import picture_paths
from gonogo.quality.causes import misses
from gonogo.quality.findings import SceneFinding
from gonogo.quality.measurements import INPUT_DEPTH, POSE, Point, ViewMeasurement
from gonogo.quality.tally import not_judged, percent, tally, tally_check, within_tolerance
from gonogo.verdict import Check, Status

ID, TITLE = "cameras", "Cameras against the input's points"
AT_ORIGIN, AT_CENTRE = 0.1, 0.2  # of the cloud's distance from the origin: nearer than that counts as there
LISTED_VIEWS = 16


def cameras(scenes: Sequence[SceneFinding], gate: QualityGate) -> Check:
    """Whether the cameras see the input's points; CAUTION where poses or depth are not there to tell."""
    views = sum(len(scene.views) for scene in scenes)
    counted = tally(scenes, misses, gate, among=lambda view: view.measured.visible_points_share is not None)
    if not counted.views:
        return not_judged(
            ID, TITLE, f"no scene has both {INPUT_DEPTH} and {POSE}",
            hint="Nothing to do for pictures without poses; else write them beside the views.",
        )  # fmt: skip
    check = tally_check(
        counted,
        gate,
        id=ID,
        title=TITLE,
        asked=f"a camera sees at least {percent(gate.min_visible_points)} of the points, "
        f"and they fill at least {percent(gate.min_coverage_ratio)} of its frame",
        why=_account(scenes, gate) if counted.bad else within_tolerance(counted),
        hint=_hint(scenes),
        paths=picture_paths(scenes, counted.flagged),
    )
    if counted.views < views:
        unknown = f"{views - counted.views} of {views} views have no pose or no depth to judge their camera by"
        check.why = f"{check.why}; {unknown}" if check.why else unknown
        check.status = Status.CAUTION if check.status is Status.GO else check.status
    return check


def _account(scenes: Sequence[SceneFinding], gate: QualityGate) -> str:
    """Which views miss the cloud, and what each covers, as means over the scenes that have faults of this kind."""
    affected = [scene for scene in scenes if any(misses(view) for view in scene.views)]
    seen = _by_view(affected, lambda view: view.visible_points_share)
    rendered = _by_view(affected, lambda view: view.rendered_share)
    missing = {name: value for name, value in seen.items() if value < gate.min_visible_points}
    text = f"the cloud is missed, or too small, in {len(affected)} of {len(scenes)} scenes"
    if missing:
        least, most = min(missing.values()), max(missing.values())
        amount = " to ".join(dict.fromkeys([percent(least), percent(most)]))
        names = ", ".join(_shown(missing))
        text = f"the camera misses the cloud: views {names} see {amount} of the input's points"
    return f"{text}; coverage per view: {', '.join(_shown(rendered or seen, with_value=True))}"


def _by_view(scenes: Sequence[SceneFinding], value: Callable[[ViewMeasurement], float | None]) -> dict[str, float]:
    """View number → mean over the scenes."""
    values: dict[str, list[float]] = {}
    for scene in scenes:
        for view in scene.measured.views:
            found = value(view)
            if found is not None:
                values.setdefault(view.name.removeprefix("view_"), []).append(found)
    return {name: sum(found) / len(found) for name, found in sorted(values.items())}


def _shown(values: dict[str, float], with_value: bool = False) -> list[str]:
    shown = [f"{name} {percent(value)}" if with_value else name for name, value in values.items()]
    return [*shown[:LISTED_VIEWS], *(["…"] if len(shown) > LISTED_VIEWS else [])]


def _hint(scenes: Sequence[SceneFinding]) -> str:
    """Where the cameras look and where the cloud is, from the worst scene that has misses."""
    for scene in scenes:
        look_at, centre = scene.measured.look_at, scene.measured.cloud_centre
        if look_at and centre and any(misses(view) for view in scene.views):
            if math.dist(look_at, centre) < AT_CENTRE * math.hypot(*centre):
                return f"Move the cameras nearer to the cloud's centre {_point(centre)}, or lengthen the focal length."
            instead = "the origin" if math.hypot(*look_at) < AT_ORIGIN * math.hypot(*centre) else _point(look_at)
            return f"Orbit the cloud's centre {_point(centre)} instead of {instead}, which the cameras look at."
    return "Point the cameras at the cloud's centre: the mean of the input's unprojected depth."


def _point(point: Point) -> str:
    return "({})".format(", ".join(f"{value:.1f}".replace("-0.0", "0.0") for value in point))
