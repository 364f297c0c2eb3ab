"""Hold what was measured of posed views against the thresholds. Pure: no file is opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gonogo.config import QualityGate
from gonogo.quality import file_checks, set_checks
from gonogo.quality.asking import ask, ask_side_views
from gonogo.quality.camera_check import cameras
from gonogo.quality.causes import Cause, explained, picture_cause
from gonogo.quality.findings import SceneFinding, find
from gonogo.quality.measurements import ViewMeasurements
from gonogo.quality.questions import QUESTIONS
from gonogo.verdict import Check, Status, worst

Measurements = ViewMeasurements


@dataclass(frozen=True)
class Judgement:
    """Unpacks as (checks, cause), like every gate's judgement.

    Attributes:
        checks: one for each question.
        cause: DATA, CAMERA, DECODER or UNREADABLE; empty where nothing is wrong.
        scenes: every scene with the checks that fired, worst first.
    """

    checks: list[Check]
    cause: str
    scenes: list[SceneFinding]

    @property
    def status(self) -> Status:
        return worst(check.status for check in self.checks)

    def __iter__(self) -> Iterator[list[Check] | str]:
        return iter((self.checks, self.cause))


def judge(measured: ViewMeasurements, gate: QualityGate) -> Judgement:
    """One check for each question that a user would ask of the data, and the cause of what is wrong.

    NO_GO takes evidence, from the scenes that were measured, that more than `max_bad_scenes` of all are bad;
    fewer bad ones are CAUTION. Without any view to judge the answer is UNKNOWN.
    """
    scenes = find(measured, gate)
    readable = file_checks.readable(measured, scenes, gate)
    if not any(scene.views for scene in scenes):
        return Judgement([readable, set_checks.nothing_to_judge(scenes)], str(_cause(readable, [], gate)), scenes)
    cause = _cause(readable, scenes, gate)
    checks = [
        readable,
        *[ask(explained(question, cause), scenes, gate) for question in QUESTIONS],
        cameras(scenes, gate),
        *ask_side_views(scenes, gate),
        set_checks.pairing(scenes, gate),
        set_checks.view_variance(measured, scenes, gate),
        file_checks.inputs(scenes, gate),
        file_checks.view_counts(measured, scenes, gate),
        file_checks.formats(scenes),
        set_checks.bad_scenes(scenes, gate),
    ]
    stopped = any(check.status is Status.NO_GO for check in checks)
    wrong = stopped or any(scene.bad for scene in scenes)
    return Judgement(checks, str(cause) if wrong else "", scenes)


def _cause(readable: Check, scenes: Sequence[SceneFinding], gate: QualityGate) -> Cause:
    if readable.status is Status.NO_GO:
        return Cause.UNREADABLE
    return picture_cause(scenes, gate) if scenes else Cause.NONE
