"""Which part is at fault: the files, the cameras, what renders them, or the data at large?"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.views.fault_groups import ViewFaultGroup
from gonogo.quality.views.findings import SceneFinding, ViewFinding


class DataCause(StrEnum):
    NONE = ""
    DATA = "DATA"
    CAMERA = "CAMERA"
    GENERATOR = "GENERATOR"
    LEAKAGE = "LEAKAGE"
    UNREADABLE = "UNREADABLE"


class CauseFinder:
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
    def cause(self) -> DataCause:
        if not _most(self._dark, self._faulty):
            return DataCause.CAMERA if _most(self._missing, self._faulty) else DataCause.DATA
        if not self._framed or not _most(self._bright_inputs, self._dark):
            return DataCause.DATA
        return DataCause.CAMERA if _most(self._empty, self._framed) else DataCause.GENERATOR


def misses(view: ViewFinding) -> bool:
    """Whether the camera does not see enough of the input's points, or sees them too small."""
    return bool(view.ids & {"misses_cloud", "cloud_small"})


def _most(part: int, whole: int) -> bool:
    return part > 0 and 2 * part >= whole


def explained(group: ViewFaultGroup, cause: DataCause) -> ViewFaultGroup:
    """The group of darkness with what the cause adds to its description and its hint; others as they are."""
    remark, hint = REMARKS.get(cause, ("", ""))
    if group.id != "darkness" or not remark:
        return group
    return replace(group, describe=lambda views, who: f"{group.describe(views, who)}; {remark}", hint=hint)


REMARKS = {
    DataCause.CAMERA: (
        "the cameras show too little of the scene",
        "Fix the cameras first: nothing can render what they do not look at.",
    ),
    DataCause.GENERATOR: (
        "the cameras see the cloud and yet the picture is dark",
        "Render one input alone from its own camera, and check what renders it: weights, opacities and colours.",
    ),
}
"""What a cause says of dark views, and what to do."""
