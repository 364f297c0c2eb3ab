"""When a paid run is stopped: by the learning gate's judge, repeatedly, and only after several equal answers.

What earlier gates have settled is not judged again: dark targets, leakage, wiring. A run that is merely
UNDERTRAINED is never stopped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.derived import rising
from gonogo.learning.judge import answers
from gonogo.learning.measurements import Evaluation, Measurements
from gonogo.verdict import Status

# checks whose NO-GO, with a cause other than UNDERTRAINED, means that the rest of the run achieves nothing
STOPPING = ("stability", "pairing", "input_used", "output_statistics")
IN_A_ROW = 3  # evaluations that must say the same
AFTER_DIVERGING, AFTER = 5, 10  # evaluations, that before the first step included, before any other stop
SHARE = 0.2  # of the planned steps, before any stop but for DIVERGING


@dataclass(frozen=True)
class StopSignal:
    """What one evaluation says; no cause: the run may go on."""

    cause: str = ""
    why: str = ""

    def as_text(self) -> str:
        return f"; {self.cause}: {self.why}" if self.cause else ""

    def line(self, evaluation: Evaluation) -> str:
        """For `in_flight.jsonl`."""
        return json.dumps({**json.loads(evaluation.model_dump_json()), **asdict(self)})  # null for what is infinite


def stop_signal(measured: Measurements, gate: LearningGate) -> StopSignal:
    """The first of the STOPPING checks that says NO-GO, where skill is not rising."""
    if rising(measured):
        return StopSignal()
    for check, cause in answers(measured, gate):
        if check.id in STOPPING and check.status is Status.NO_GO and cause != "UNDERTRAINED":
            return StopSignal(cause, check.why)
    return StopSignal()


def should_stop(signals: Sequence[StopSignal], share_done: float) -> bool:
    """Whether the evaluations so far say the same for long enough to stop the run."""
    causes = {signal.cause for signal in signals[-IN_A_ROW:]}
    if len(causes) != 1 or causes == {""}:
        return False
    if causes == {"DIVERGING"}:
        return len(signals) >= AFTER_DIVERGING
    return len(signals) >= AFTER and share_done >= SHARE
