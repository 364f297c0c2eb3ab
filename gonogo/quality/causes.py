"""Which part is at fault: the files, the cameras, the decoder that renders, or the data at large?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from gonogo.config import QualityGate
from gonogo.quality.findings import SceneFinding, ViewFinding
from gonogo.quality.questions import Question


class Cause(StrEnum):
    NONE = ""
    DATA = "DATA"
    CAMERA = "CAMERA"
    DECODER = "DECODER"
    UNREADABLE = "UNREADABLE"


def picture_cause(scenes: Sequence[SceneFinding], gate: QualityGate) -> Cause:
    """The cause that most of the faulty views point to, in the scenes that are bad.

    Dark views are the cameras' fault where the input's points fill so little of the frame that the best decoder would
    have left it dark; else they are the decoder's, unless the inputs are as dark.
    """
    faulty = [view for scene in scenes if scene.bad for view in scene.views if view.faults]
    dark = [view for view in faulty if "dark" in view.ids]
    if not _most(dark, faulty):
        return Cause.CAMERA if _most([view for view in faulty if misses(view)], faulty) else Cause.DATA
    shares = [share for view in dark if (share := view.measured.cloud_frame_share) is not None]
    bright_inputs = [view for view in dark if view.source and view.source.p99 >= gate.dark_p99]
    if not shares or not _most(bright_inputs, dark):
        return Cause.DATA
    empty = [share for share in shares if share < gate.min_brightness_ratio]
    return Cause.CAMERA if _most(empty, shares) else Cause.DECODER


def misses(view: ViewFinding) -> bool:
    """Whether the camera does not see enough of the input's points, or sees them too small."""
    return bool(view.ids & {"misses_cloud", "cloud_small"})


def _most(part: Sequence[object], whole: Sequence[object]) -> bool:
    return bool(part) and 2 * len(part) >= len(whole)


def explained(question: Question, cause: Cause) -> Question:
    """The question of darkness with what the cause adds to its account and its hint; others as they are."""
    remark, hint = REMARKS.get(cause, ("", ""))
    if question.id != "darkness" or not remark:
        return question
    return replace(question, tell=lambda views, who: f"{question.tell(views, who)}; {remark}", hint=hint)


REMARKS = {
    Cause.CAMERA: (
        "the cameras show too little of what there is to see",
        "Mend the cameras first: what they do not look at, nothing can render.",
    ),
    Cause.DECODER: (
        "the cameras see the cloud and yet the picture is dark",
        "Render one input alone from its own camera: look at the decoder's weights, opacities and colours.",
    ),
}
"""What a cause says of dark views, and what to do."""
