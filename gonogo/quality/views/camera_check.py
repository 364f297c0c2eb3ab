"""Do the cameras look at the cloud of points that the input's depth map gives?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.fault_counts import not_judged
from gonogo.quality.views.causes import misses
from gonogo.quality.views.findings import SceneFinding
from gonogo.quality.views.measurements import INPUT_DEPTH, POSE, Point
from gonogo.quality.views.scene_counts import SceneCounts
from gonogo.quality.wording import percent
from gonogo.verdict import Check, Status

ID, TITLE = "cameras", "Cameras against the input's points"
AT_ORIGIN, AT_CENTRE = 0.1, 0.2  # of the cloud's distance from the origin: nearer than that counts as there
LISTED_VIEWS = 16


class Cameras:
    """Whether the cameras see the input's points; CAUTION where poses or depth are missing."""

    def __init__(self, gate: QualityGate, rule: AcceptanceRule) -> None:
        self._gate, self._rule = gate, rule
        self._counts = SceneCounts(misses, gate, among=lambda view: view.measured.visible_points_share is not None)
        self._views = self._scenes = self._affected = 0
        self._visible, self._rendered = Means(), Means()  # by view, of the scenes that have faults of this kind

    def add(self, scene: SceneFinding) -> None:
        self._counts.add(scene)
        self._scenes += 1
        self._views += len(scene.views)
        if any(misses(view) for view in scene.views):
            self._affected += 1
            for view in scene.item.views:
                number = view.name.removeprefix("view_")
                self._visible.add(number, view.visible_points_share)
                self._rendered.add(number, view.rendered_share)

    def check(self, worst: Sequence[SceneFinding]) -> Check:
        """`worst`: scenes to take the advice from."""
        counts, gate = self._counts, self._gate
        if not counts.views:
            return not_judged(
                ID, TITLE, f"no scene has both {INPUT_DEPTH} and {POSE}",
                hint="Nothing to do for pictures without poses; otherwise write both files beside the views.",
            )  # fmt: skip
        check = counts.check(
            self._rule, id=ID, title=TITLE,
            criterion=f"a camera sees at least {percent(gate.min_visible_points)} of the points, "
            f"and they fill at least {percent(gate.min_coverage_ratio)} of its frame",
            why=self._account() if counts.scenes.bad else counts.within_tolerance(), hint=_hint(worst),
        )  # fmt: skip
        if counts.views < self._views:
            unknown = f"{self._views - counts.views} of {self._views} views have no pose or no depth to judge them by"
            check.why = f"{check.why}; {unknown}" if check.why else unknown
            check.status = Status.CAUTION if check.status is Status.GO else check.status
        return check

    def _account(self) -> str:
        """Which views miss the cloud, and what each covers, as means over the scenes that have faults of this kind."""
        visible, rendered = self._visible.values, self._rendered.values
        missing = {name: share for name, share in visible.items() if share < self._gate.min_visible_points}
        text = f"the cloud is missed, or too small, in {self._affected} of {self._scenes} scenes"
        if missing:
            least, most = min(missing.values()), max(missing.values())
            amount = " to ".join(dict.fromkeys([percent(least), percent(most)]))
            text = f"the camera misses the cloud: views {_first(missing)} see {amount} of the input's points"
        covered = [f"{name} {percent(share)}" for name, share in (rendered or visible).items()]
        return f"{text}; coverage per view: {_first(covered)}"


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


def _first(words: Sequence[str] | Mapping[str, float]) -> str:
    return ", ".join([*list(words)[:LISTED_VIEWS], *(["…"] if len(words) > LISTED_VIEWS else [])])


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
