"""Checks of the verdict that count single views, over all scenes; the views far from the input once more, apart."""

from __future__ import annotations

from collections.abc import Sequence

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.views.causes import DataCause, explained
from gonogo.quality.views.fault_groups import VIEW_FAULT_GROUPS, ViewFaultGroup
from gonogo.quality.views.findings import SceneFinding, ViewFinding
from gonogo.quality.views.scene_counts import SceneCounts
from gonogo.verdict import Check, Status


class ViewFaultCounter:
    """Counts one group of faults over the views of all scenes."""

    def __init__(self, group: ViewFaultGroup, gate: QualityGate, rule: AcceptanceRule) -> None:
        self._group, self._gate, self._rule = group, gate, rule
        self._counts = SceneCounts(group.fires, gate)

    def add(self, scene: SceneFinding) -> None:
        self._counts.add(scene)

    def check(self, cause: DataCause) -> Check:
        counts, group = self._counts, explained(self._group, cause)
        why = counts.within_tolerance()
        if counts.scenes.bad:
            who = _beyond(self._gate) if counts.all_side and counts.any_near else "views"
            why = f"{group.describe(counts.examples, who)}; {counts.where()}"
        criterion = group.criterion(self._gate)
        return counts.check(self._rule, id=group.id, title=group.title, criterion=criterion, why=why, hint=group.hint)


class SideViews:
    """Whether the views far from the input's camera are as good as the others."""

    def __init__(self, gate: QualityGate, rule: AcceptanceRule) -> None:
        self._gate, self._rule = gate, rule
        self._side = SceneCounts(lambda view: bool(view.faults), gate, among=lambda view: view.side)
        self._front = SceneCounts(lambda view: bool(view.faults), gate, among=lambda view: not view.side)
        self._furthest_deg: float | None = None

    def add(self, scene: SceneFinding) -> None:
        self._side.add(scene)
        self._front.add(scene)
        angles = [abs(view.measured.angle_deg) for view in scene.views if view.measured.angle_deg is not None]
        if angles:
            self._furthest_deg = max(*angles, self._furthest_deg or 0.0)

    def checks(self) -> list[Check]:
        """Empty where no angle is known."""
        if self._furthest_deg is None:
            return []
        side, front, id_ = self._side, self._front, "side_views"
        title = f"Views more than {self._gate.side_angle_deg:g}° from their input"
        if not side.views:
            why = f"no view is that far: the furthest is at {self._furthest_deg:.0f}°"
            return [Check(id=id_, title=title, value=0, unit="views", status=Status.GO, why=why)]
        hint = "Keep the cameras nearer to the input, or fix what the generator makes of unseen sides."
        why = side.within_tolerance()
        if side.scenes.bad:
            nearer = f"nearer ones: {front.flagged} of {front.views} views"
            why = "; ".join([_main_fault(side.examples, _beyond(self._gate)), side.where(), nearer])
        hint = "" if front.scenes.bad else hint
        criterion = "counted by views with any fault"
        return [side.check(self._rule, id=id_, title=title, criterion=criterion, why=why, hint=hint)]


def _beyond(gate: QualityGate) -> str:
    return f"views beyond {gate.side_angle_deg:g}°"


def _main_fault(views: Sequence[ViewFinding], who: str) -> str:
    """What most of these views have, in words."""
    group = max(VIEW_FAULT_GROUPS, key=lambda group: sum(map(group.fires, views)))
    if at_fault := list(filter(group.fires, views)):
        return group.describe(at_fault, who)
    return f"{who} are at fault: {views[0].faults[0].reason}"
