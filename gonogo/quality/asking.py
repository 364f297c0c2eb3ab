"""Questions put to every view of every scene, and to the views far from the input apart."""

from __future__ import annotations

from collections.abc import Sequence

from gonogo.config import QualityGate
from gonogo.quality.findings import SceneFinding, ViewFinding
from gonogo.quality.measurements import PICTURE
from gonogo.quality.questions import QUESTIONS, Question
from gonogo.quality.tally import Tally, tally, tally_check, within_tolerance
from gonogo.verdict import Check, Status


def ask(question: Question, scenes: Sequence[SceneFinding], gate: QualityGate) -> Check:
    """One question put to every view of every scene."""
    counted = tally(scenes, question.fires, gate)
    why = within_tolerance(counted)
    if counted.bad:
        who = _beyond(gate) if _only_side(counted, scenes) else "views"
        why = f"{question.tell(counted.flagged, who)}; {counted.where()}"
    return tally_check(
        counted,
        gate,
        id=question.id,
        title=question.title,
        asked=question.asked(gate),
        why=why,
        hint=question.hint,
        paths=picture_paths(scenes, counted.flagged),
    )


def ask_side_views(scenes: Sequence[SceneFinding], gate: QualityGate) -> list[Check]:
    """Are the views far from the input's camera as good as the others? Empty where no angle is known."""
    angles = [view.measured.angle_deg for scene in scenes for view in scene.views]
    known = [abs(angle) for angle in angles if angle is not None]
    if not known:
        return []
    title = f"Views more than {gate.side_angle_deg:g}° from their input"
    side = tally(scenes, lambda view: bool(view.faults), gate, among=lambda view: view.side)
    if not side.views:
        why = f"no view is that far: the furthest is at {max(known):.0f}°"
        return [Check(id="side_views", title=title, value=0, unit="views", status=Status.GO, why=why)]
    front = tally(scenes, lambda view: bool(view.faults), gate, among=lambda view: not view.side)
    hint = "Keep the cameras nearer to the input, or mend what the generator makes of unseen sides."
    why = within_tolerance(side)
    if side.bad:
        nearer = f"nearer ones: {len(front.flagged)} of {front.views} views"
        why = "; ".join([_main_fault(side.flagged, _beyond(gate)), side.where(), nearer])
    check = tally_check(
        side,
        gate,
        id="side_views",
        title=title,
        asked="counted by views with any fault",
        why=why,
        hint=hint if not front.bad else "",
        paths=picture_paths(scenes, side.flagged),
    )
    return [check]


def picture_paths(scenes: Sequence[SceneFinding], views: Sequence[ViewFinding]) -> list[str]:
    folders = {scene.name: scene.folder for scene in scenes}
    return [f"{folders[view.path.split('/')[0]]}/{view.path}/{PICTURE}" for view in views]


def _beyond(gate: QualityGate) -> str:
    return f"views beyond {gate.side_angle_deg:g}°"


def _only_side(counted: Tally, scenes: Sequence[SceneFinding]) -> bool:
    """Whether the views at fault are all far from the input, and others are not."""
    every = [view.side for scene in scenes for view in scene.views]
    return all(view.side for view in counted.flagged) and not all(every)


def _main_fault(views: Sequence[ViewFinding], who: str) -> str:
    """What most of these views have, in words."""
    counts = [(sum(question.fires(view) for view in views), question) for question in QUESTIONS]
    most, question = max(counts, key=lambda pair: pair[0])
    if most:
        return question.tell([view for view in views if question.fires(view)], who)
    return f"{who} are at fault: {views[0].faults[0].reason}"
