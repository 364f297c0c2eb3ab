"""Several runs one after another over days, none before its data is there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """One run."""

    name: str
    hours: float  # that it takes
    after: tuple[str, ...] = ()  # names of runs that must have ended
    ready: dt.datetime | None = None  # when its data is there


@dataclass(frozen=True)
class Slot:
    """When a run is planned, and what it waits for: `data`, `the machine`, the run before, or nothing."""

    name: str
    begins: dt.datetime
    ends: dt.datetime
    waits_for: str


def schedule(jobs: Sequence[Job], start: dt.datetime) -> list[Slot]:
    """One machine: whatever can begin earliest goes next, so that nothing waits behind a download.

    Raises:
        ValueError: a run waits for one that is not among them, or for itself.
    """
    names = {job.name for job in jobs}
    if unknown := sorted({other for job in jobs for other in job.after} - names):
        raise ValueError(f"{', '.join(unknown)}: waited for, and not among the runs")
    planned: dict[str, Slot] = {}
    free, left = start, list(jobs)
    while left:
        open_jobs = [job for job in left if all(other in planned for other in job.after)]
        if not open_jobs:
            raise ValueError(f"{', '.join(job.name for job in left)} wait for each other")
        slot, job = min(((_slot(job, free, planned), job) for job in open_jobs), key=lambda pair: pair[0].begins)
        planned[job.name] = slot
        free = slot.ends
        left.remove(job)
    return list(planned.values())


def table(slots: Sequence[Slot]) -> str:
    """Markdown."""
    when = "%a %d %b %H:%M"
    rows = [f"| {slot.name} | {slot.begins:{when}} | {slot.ends:{when}} | {slot.waits_for} |" for slot in slots]
    return "\n".join(["| run | begins | ends | waits for |", "|---|---|---|---|", *rows])


def _slot(job: Job, free: dt.datetime, planned: dict[str, Slot]) -> Slot:
    reasons = [(free, "the machine" if planned else "")]
    reasons += [(planned[other].ends, other) for other in job.after]
    reasons += [(job.ready, "data")] if job.ready else []
    begins, why = max(reasons, key=lambda reason: (reason[0], reason[1] != "the machine"))
    return Slot(job.name, begins, begins + dt.timedelta(hours=job.hours), why)
