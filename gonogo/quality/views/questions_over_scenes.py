"""Questions put to every view of every scene, and to the views far from the input apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.acceptance import Decision
from gonogo.quality.fault_counts import counted_check
from gonogo.quality.views.causes import Cause, explained
from gonogo.quality.views.findings import SceneFinding, ViewFinding
from gonogo.quality.views.questions import QUESTIONS, Question
from gonogo.quality.views.scene_counts import Tally
from gonogo.verdict import Check, Status


class Asking:
    """One question put to every view of every scene."""

    def __init__(self, question: Question, gate: QualityGate, decision: Decision) -> None:
        self._question, self._gate, self._decision = question, gate, decision
        self._tally = Tally(question.fires, gate)

    def add(self, scene: SceneFinding) -> None:
        self._tally.add(scene)

    def check(self, cause: Cause) -> Check:
        tally, question = self._tally, explained(self._question, cause)
        why = tally.within_tolerance()
        if tally.scenes.bad:
            only_side = tally.all_side and tally.any_near
            who = _beyond(self._gate) if only_side else "views"
            why = f"{question.tell(tally.told, who)}; {tally.where()}"
        return tally_check(
            tally, self._decision,
            id=question.id, title=question.title, asked=question.asked(self._gate), why=why, hint=question.hint,
        )  # fmt: skip


class SideViews:
    """Are the views far from the input's camera as good as the others?"""

    def __init__(self, gate: QualityGate, decision: Decision) -> None:
        self._gate, self._decision = gate, decision
        self._side = Tally(lambda view: bool(view.faults), gate, among=lambda view: view.side)
        self._front = Tally(lambda view: bool(view.faults), gate, among=lambda view: not view.side)
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
        hint = "Keep the cameras nearer to the input, or mend what the generator makes of unseen sides."
        why = side.within_tolerance()
        if side.scenes.bad:
            nearer = f"nearer ones: {front.flagged} of {front.views} views"
            why = "; ".join([_main_fault(side.told, _beyond(self._gate)), side.where(), nearer])
        check = tally_check(
            side, self._decision,
            id=id_, title=title, asked="counted by views with any fault", why=why,
            hint=hint if not front.scenes.bad else "",
        )  # fmt: skip
        return [check]


def tally_check(tally: Tally, decision: Decision, *, id: str, title: str, asked: str, why: str, hint: str) -> Check:
    """The share of bad scenes held against the tolerated share; the pictures at fault are its evidence."""
    check = counted_check(tally.scenes, decision, "scene", id=id, title=title, asked=asked, why=why, hint=hint)
    check.evidence = tally.paths if tally.scenes.bad else []
    return check


def _beyond(gate: QualityGate) -> str:
    return f"views beyond {gate.side_angle_deg:g}°"


def _main_fault(views: Sequence[ViewFinding], who: str) -> str:
    """What most of these views have, in words."""
    counts = Counter({question.id: sum(question.fires(view) for view in views) for question in QUESTIONS})
    (id_, most) = counts.most_common(1)[0]
    if most:
        question = next(question for question in QUESTIONS if question.id == id_)
        return question.tell([view for view in views if question.fires(view)], who)
    return f"{who} are at fault: {views[0].faults[0].reason}"
