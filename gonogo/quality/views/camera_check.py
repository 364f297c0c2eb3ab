"""Do the cameras look at the cloud of points that the input's depth map gives?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.acceptance import Decision
from gonogo.quality.fault_counts import not_judged, percent
from gonogo.quality.views.causes import misses
from gonogo.quality.views.findings import SceneFinding
from gonogo.quality.views.measurements import INPUT_DEPTH, POSE, Point
from gonogo.quality.views.questions_over_scenes import tally_check
from gonogo.quality.views.scene_counts import Tally
from gonogo.verdict import Check, Status

ID, TITLE = "cameras", "Cameras against the input's points"
AT_ORIGIN, AT_CENTRE = 0.1, 0.2  # of the cloud's distance from the origin: nearer than that counts as there
LISTED_VIEWS = 16


class Cameras:
    """Whether the cameras see the input's points; CAUTION where poses or depth are not there to tell."""

    def __init__(self, gate: QualityGate, decision: Decision) -> None:
        self._gate, self._decision = gate, decision
        self._tally = Tally(misses, gate, among=lambda view: view.measured.visible_points_share is not None)
        self._views = self._scenes = self._affected = 0
        self._seen, self._rendered = Means(), Means()

    def add(self, scene: SceneFinding) -> None:
        self._tally.add(scene)
        self._scenes += 1
        self._views += len(scene.views)
        if any(misses(view) for view in scene.views):
            self._affected += 1
            for view in scene.item.views:
                number = view.name.removeprefix("view_")
                self._seen.add(number, view.visible_points_share)
                self._rendered.add(number, view.rendered_share)

    def check(self, worst: Sequence[SceneFinding]) -> Check:
        """`worst`: scenes to take the advice from."""
        tally, gate = self._tally, self._gate
        if not tally.views:
            return not_judged(
                ID, TITLE, f"no scene has both {INPUT_DEPTH} and {POSE}",
                hint="Nothing to do for pictures without poses; else write them beside the views.",
            )  # fmt: skip
        check = tally_check(
            tally,
            self._decision,
            id=ID,
            title=TITLE,
            asked=f"a camera sees at least {percent(gate.min_visible_points)} of the points, "
            f"and they fill at least {percent(gate.min_coverage_ratio)} of its frame",
            why=self._account() if tally.scenes.bad else tally.within_tolerance(),
            hint=_hint(worst),
        )
        if tally.views < self._views:
            unknown = f"{self._views - tally.views} of {self._views} views have no pose or no depth to judge them by"
            check.why = f"{check.why}; {unknown}" if check.why else unknown
            check.status = Status.CAUTION if check.status is Status.GO else check.status
        return check

    def _account(self) -> str:
        """Which views miss the cloud, and what each covers, as means over the scenes that have faults of this kind."""
        seen, rendered = self._seen.values, self._rendered.values
        missing = {name: value for name, value in seen.items() if value < self._gate.min_visible_points}
        text = f"the cloud is missed, or too small, in {self._affected} of {self._scenes} scenes"
        if missing:
            least, most = min(missing.values()), max(missing.values())
            amount = " to ".join(dict.fromkeys([percent(least), percent(most)]))
            names = ", ".join(_shown(missing))
            text = f"the camera misses the cloud: views {names} see {amount} of the input's points"
        return f"{text}; coverage per view: {', '.join(_shown(rendered or seen, with_value=True))}"


class Means:
    """Means by name; None is left out."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, name: str, value: float | None) -> None:
        if value is not None:
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = (total + value, count + 1)

    @property
    def values(self) -> dict[str, float]:
        return {name: total / count for name, (total, count) in sorted(self._sums.items())}


def _shown(values: dict[str, float], with_value: bool = False) -> list[str]:
    shown = [f"{name} {percent(value)}" if with_value else name for name, value in values.items()]
    return [*shown[:LISTED_VIEWS], *(["…"] if len(shown) > LISTED_VIEWS else [])]


def _hint(scenes: Sequence[SceneFinding]) -> str:
    """Where the cameras look and where the cloud is, from the worst scene that has misses."""
    for scene in scenes:
        look_at, centre = scene.item.look_at, scene.item.cloud_centre
        if look_at and centre and any(misses(view) for view in scene.views):
            if math.dist(look_at, centre) < AT_CENTRE * math.hypot(*centre):
                return f"Move the cameras nearer to the cloud's centre {_point(centre)}, or lengthen the focal length."
            instead = "the origin" if math.hypot(*look_at) < AT_ORIGIN * math.hypot(*centre) else _point(look_at)
            return f"Orbit the cloud's centre {_point(centre)} instead of {instead}, which the cameras look at."
    return "Point the cameras at the cloud's centre: the mean of the input's unprojected depth."


def _point(point: Point) -> str:
    return "({})".format(", ".join(f"{value:.1f}".replace("-0.0", "0.0") for value in point))
