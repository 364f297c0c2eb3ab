"""What a run's log says between its lines: warnings that matter, and how long it will take at the pace that it has."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

from gonogo.base.units import dollars, duration
from gonogo.report.log_flags import flag_of
from gonogo.verdict import Status

CAUTION = "🟡 CAUTION "  # begins a line of training's own: a bound of `watch`, its budget, a tracker
TOLD_AT_MOST = 100  # of a machine that says something else each time
STEP = re.compile(r"^step (\d+)/(\d+)(?:\s+epoch (\d+)/\d+)?")


class LogWatcher:
    """Reads a log as it comes."""

    def __init__(self, usd_per_hour: float, planned_hours: float | None, tell: Callable[[str], None]) -> None:
        # how long the run has still to go at its pace since the first step; None until that is known
        self.left_s: float | None = None
        self.step: int | None = None  # the last one
        self.estimate = ""  # hours and dollars of the whole run, in words; empty until its first epoch has ended
        self._usd_per_hour, self._planned_hours, self._tell = usd_per_hour, planned_hours, tell
        self._told: set[str] = set()
        self._first: tuple[int, float] | None = None
        self._began_s: float | None = None

    def line(self, stamped: str) -> None:
        """One line of the log, its time before it; it may be long past, when the log is read again."""
        stamp, _, text = stamped.partition(" ")
        try:
            at_s = dt.datetime.fromisoformat(stamp).timestamp()
        except ValueError:
            return
        self._began_s = at_s if self._began_s is None else self._began_s
        flag = flag_of(text)
        if flag is not None and flag.status in (Status.CAUTION, Status.NO_GO) and flag.meaning not in self._told:
            self._told.add(flag.meaning)
            self._tell(f"{flag.status.colour.upper()}: {flag.meaning}")
        if text.startswith(CAUTION) and text not in self._told and len(self._told) < TOLD_AT_MOST:
            self._told.add(text)
            self._tell(f"YELLOW: {text.removeprefix(CAUTION)}")
        if found := STEP.match(text):
            self._step(int(found[1]), int(found[2]), int(found[3] or 1), at_s)

    def _step(self, step: int, steps: int, epoch: int, at_s: float) -> None:
        self.step = step
        if self._first is None or step < self._first[0]:
            self._first = step, at_s
            return
        made, took_s = step - self._first[0], at_s - self._first[1]
        if made <= 0 or took_s <= 0:
            return
        self.left_s = (steps - step) * took_s / made
        if epoch > 1 and not self.estimate:
            hours = (at_s - (self._began_s or at_s) + self.left_s) / 3600
            planned = f", forecast {duration(3600 * self._planned_hours)}" if self._planned_hours else ""
            cost = dollars(hours * self._usd_per_hour)
            self.estimate = f"after the first epoch: {duration(3600 * hours)} and {cost} in all{planned}"
            self._tell(self.estimate)
