"""Counting over items, one at a time: of how many is a check true, and what does that say about all of them?"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gonogo.quality.acceptance import Decision, bounds
from gonogo.quality.items import FileProblem, Finding, MeasuredItem
from gonogo.verdict import Check, Status, worst

NAMED = 10  # files or items that a check names
KEPT = 40  # worst items that are kept for the eye
MAJORITY = 0.5  # of the items unreadable: whatever the rest shows is no basis


@dataclass
class Count:
    """Items at fault, of those that were asked; the first of them by name."""

    asked: int = 0
    bad: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, name: str, bad: bool) -> None:
        self.asked += 1
        self.bad += bad
        if bad and len(self.named) < NAMED:
            self.named.append(name)

    @property
    def names(self) -> str:
        """The first few names, and how many more there are."""
        return listed(self.named, self.bad)


class Worst:
    """The worst items of any number, worst first; of equally bad ones the first seen."""

    def __init__(self, most: int = KEPT) -> None:
        self._most = most
        self._heap: list[tuple[tuple[bool, float, int], Any]] = []
        self._seen = 0

    def add(self, finding: Finding) -> None:
        self._seen += 1
        entry = ((finding.bad, finding.badness, -self._seen), finding)
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    @property
    def findings(self) -> list[Any]:
        return [finding for _, finding in sorted(self._heap, key=lambda entry: entry[0], reverse=True)]


class Readable:
    """Files that are missing, truncated or damaged. Data with one is never GO."""

    def __init__(self, decision: Decision, item: str, strays: Sequence[FileProblem]) -> None:
        self._decision, self._item, self._strays = decision, item, strays
        self._items, self._unread, self._files = Count(), Count(), 0
        self._first: list[str] = []
        self._problems = 0

    def add(self, item: MeasuredItem) -> None:
        self._files += item.files
        self._items.add(item.path, bool(item.problems))
        self._problems += len(item.problems)
        for problem in item.problems:
            if len(self._first) < NAMED:
                self._first.append(f"{item.folder}/{problem.path}: {problem.reason}")

    def check(self) -> Check:
        n, bad = self._items.asked, self._items.bad
        problems = self._problems + len(self._strays)
        first = [*self._first, *[f"{stray.path}: {stray.reason}" for stray in self._strays]][:NAMED]
        status, why = Status.GO, ""
        if problems:
            lost = problems > MAJORITY * self._files
            status = Status.NO_GO if lost else worst([Status.CAUTION, self._decision.status(bad, n)])
            more = f", and {problems - 1} more" if problems > 1 else ""
            why = f"{problems} of {self._files} files cannot be read, in {bad} of {n} {self._item}s: {first[0]}{more}"
        return Check(
            id="unreadable",
            title="Files that can be read",
            value=problems,
            unit=f"of {self._files} files unreadable",
            threshold=f"none; {tolerated(n, self._decision, self._item)}, or where most files are unreadable",
            status=status,
            why=why,
            hint="Make these files again; look for a full disk or an interrupted run." if problems else "",
            evidence=[line.split(": ")[0] for line in first],
        )


def bad_items(counted: Count, decision: Decision, item: str) -> tuple[Check, int]:
    """All faults together: the share of bad items with its bounds, and how many more a sample needs."""
    bad, n = counted.bad, counted.asked
    more = decision.more(bad, n)
    status = Status.UNKNOWN if more else decision.status(bad, n)
    names = f" ({counted.names})" if 0 < bad < n else ""
    what = f"{bad} of {n} {item}s are bad{names}" if bad else f"none of {n} {item}s is bad"
    if decision.sampled:
        lower, upper = bounds(bad, n)
        what += f"; of all, {percent(lower)} to {percent(upper)} may be (95 %)"
    elif bad and (decision.false_alarm or decision.miss):
        share = percent(decision.corrected(bad, n))
        what += f"; {share} with the detector's own errors reckoned out"
    if more:
        what += f": undecided; {more} more are needed"
    check = Check(
        id="bad_items",
        title=f"{item.capitalize()}s with any fault",
        value=round(100 * bad / n, 1) if n else None,
        unit=f"% of {item}s",
        threshold=tolerated(n, decision, item),
        status=status,
        why=what,
        hint=_bad_hint(bad, more, item),
        evidence=counted.named if bad else [],
    )
    return check, more


def _bad_hint(bad: int, more: int, item: str) -> str:
    if more:
        return f"The workflow makes {more} more and judges again; by hand: put {more} more {item}s beside these."
    return "Look at the contact sheet: worst first, the reason under each." if bad else ""


def counted_check(
    counted: Count, decision: Decision, item: str, *, id: str, title: str, asked: str, why: str, hint: str
) -> Check:
    """The share of bad items for one question held against the tolerated share.

    Args:
        asked: when an item counts as bad, in words.
        why: the cause.
    """
    return Check(
        id=id,
        title=title,
        value=round(100 * counted.bad / counted.asked, 1) if counted.asked else None,
        unit=f"% of {item}s",
        threshold="; ".join(filter(None, [tolerated(counted.asked, decision, item), asked])),
        status=decision.status(counted.bad, counted.asked),
        why=why,
        hint=hint if counted.bad else "",
        evidence=counted.named if counted.bad else [],
    )


def tolerated(n: int, decision: Decision, item: str) -> str:
    """`<= 5 % of scenes, NO-GO from 4 of 10`."""
    stop = decision.stop_count(n)
    no_go = f", NO-GO from {stop} of {n}" if stop <= n else ""
    return f"<= {100 * decision.tolerance:g} % of {item}s{no_go}"


def not_judged(id: str, title: str, why: str, hint: str = "") -> Check:
    """A check that could not be made: passes, and is never green."""
    return Check(id=id, title=title, status=Status.CAUTION, why=f"not judged: {why}", hint=hint)


def percent(share: float) -> str:
    """`24 %`."""
    return f"{100 * share:.0f} %"


def listed(names: Sequence[str], total: int | None = None) -> str:
    """The first few names, and how many more there are."""
    more = (len(names) if total is None else total) - len(names[:NAMED])
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
