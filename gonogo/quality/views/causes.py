"""Which part is at fault: the files, the cameras, what renders them, or the data at large?"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.views.findings import SceneFinding, ViewFinding
from gonogo.quality.views.questions import Question


class Cause(StrEnum):
    NONE = ""
    DATA = "DATA"
    CAMERA = "CAMERA"
    GENERATOR = "GENERATOR"
    LEAKAGE = "LEAKAGE"
    UNREADABLE = "UNREADABLE"


class Blame:
    """The cause that most of the faulty views point to, in the scenes that are bad.

    Dark views are the cameras' fault where the input's points fill so little of the frame that the best renderer would
    have left it dark; else they are the generator's, unless the inputs are as dark.
    """

    def __init__(self, gate: QualityGate) -> None:
        self._gate = gate
        self._faulty = self._dark = self._missing = 0
        self._bright_inputs = self._framed = self._empty = 0

    def add(self, scene: SceneFinding) -> None:
        if not scene.bad:
            return
        for view in scene.views:
            self._faulty += bool(view.faults)
            self._missing += misses(view)
            if "dark" not in view.ids:
                continue
            share = view.measured.cloud_frame_share
            self._dark += 1
            self._bright_inputs += bool(view.source and view.source.p99 >= self._gate.dark_p99)
            self._framed += share is not None
            self._empty += share is not None and share < self._gate.min_brightness_ratio

    @property
    def cause(self) -> Cause:
        if not _most(self._dark, self._faulty):
            return Cause.CAMERA if _most(self._missing, self._faulty) else Cause.DATA
        if not self._framed or not _most(self._bright_inputs, self._dark):
            return Cause.DATA
        return Cause.CAMERA if _most(self._empty, self._framed) else Cause.GENERATOR


def misses(view: ViewFinding) -> bool:
    """Whether the camera does not see enough of the input's points, or sees them too small."""
    return bool(view.ids & {"misses_cloud", "cloud_small"})


def _most(part: int, whole: int) -> bool:
    return part > 0 and 2 * part >= whole


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
    Cause.GENERATOR: (
        "the cameras see the cloud and yet the picture is dark",
        "Render one input alone from its own camera: look at what renders it: weights, opacities and colours.",
    ),
}
"""What a cause says of dark views, and what to do."""
