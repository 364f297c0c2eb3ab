"""Counting over items, one at a time: how many have a fault, and what does that say about all of them?"""

from __future__ import annotations

import heapq
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from gonogo.quality.acceptance import AcceptanceRule, bounds
from gonogo.quality.items import FileProblem, Finding, MeasuredItem
from gonogo.quality.wording import NAMED, listed, percent
from gonogo.verdict import Check, Status, worst

KEPT = 40  # worst items that are kept for the eye; of a sample all
MAJORITY = 0.5  # of the items unreadable: whatever the rest shows is no basis


@dataclass
class FaultCount:
    """Items with a fault, of those that count; the first of them by name."""

    total: int = 0
    bad: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, name: str, bad: bool) -> None:
        self.total += 1
        self.bad += bad
        if bad and len(self.first) < NAMED:
            self.first.append(name)

    @property
    def names(self) -> str:
        """The first few names, and how many more there are."""
        return listed(self.first, self.bad)


class WorstItems:
    """The worst items of any number, worst first; of equally bad ones the first seen. As many as a sample may have."""

    def __init__(self, rule: AcceptanceRule) -> None:
        self._kept = max(KEPT, rule.most)
        self._heap: list[tuple[tuple[bool, float, int], Any]] = []
        self._seen = 0

    def add(self, finding: Finding) -> None:
        self._seen += 1
        entry = ((finding.bad, finding.badness, -self._seen), finding)
        if len(self._heap) < self._kept:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    @property
    def findings(self) -> list[Any]:
        return [finding for _, finding in sorted(self._heap, key=lambda entry: entry[0], reverse=True)]


@dataclass(frozen=True)
class FaultGroup:
    """Faults of items that one check of the verdict counts."""

    id: str
    title: str
    faults: Set[str]  # ids that count
    criterion: str  # when an item counts as bad, in words and with its threshold
    claim: str  # what is wrong, after "12 of 80 volumes": `are not in Hounsfield units`
    hint: str
    only_warns: bool = False  # none of its faults makes an item bad


class FaultGroupCounter:
    """Counts one group of faults over all items.

    Args:
        unreadable: whether items with files that cannot be read count, too.
    """

    def __init__(self, group: FaultGroup, item: str, unreadable: bool = False) -> None:
        self._group, self._item, self._unreadable = group, item, unreadable
        self._bad, self._warned = FaultCount(), FaultCount()
        self._example: dict[bool, str] = {}  # by whether it is bad

    def add(self, finding: Finding) -> None:
        if finding.item.problems and not self._unreadable:
            return
        faults = [fault for fault in finding.faults if fault.id in self._group.faults]
        faults.sort(key=lambda fault: fault.warns)
        bad = bool(faults) and not faults[0].warns
        self._bad.add(finding.item.path, bad)
        self._warned.add(finding.item.path, bool(faults) and not bad)
        if faults:
            self._example.setdefault(bad, f"{finding.name}: {faults[0].reason}")

    def check(self, rule: AcceptanceRule) -> Check:
        """Decided by the bad items; items with warnings alone make it CAUTION."""
        group, bad, warned, of = self._group, self._bad, self._warned, f"of {self._bad.total} {self._item}s"
        whys = [f"{bad.bad} {of} {group.claim}: {self._example[True]}"] if bad.bad else []
        whys += [f"{warned.bad} {of} with a warning: {self._example[False]}"] if warned.bad else []
        check = counted_check(
            bad, rule, self._item,
            id=group.id, title=group.title, criterion=group.criterion, why="; ".join(whys), hint=group.hint,
        )  # fmt: skip
        if warned.bad:
            check.status = worst([check.status, Status.CAUTION])
            check.hint, check.evidence = group.hint, (check.evidence + warned.first)[:NAMED]
        if group.only_warns:
            check.threshold = f"CAUTION for any; {group.criterion}"
            if warned.bad:
                check.value, check.unit = round(100 * warned.bad / warned.total, 1), f"% of {self._item}s {group.claim}"
                check.why = f"{warned.bad} {of} {group.claim}: {self._example[False]}"
        return check


class UnreadableFiles:
    """Files that are missing, truncated or damaged. Data with one is never GO."""

    def __init__(self, rule: AcceptanceRule, item: str, strays: Sequence[FileProblem]) -> None:
        self._rule, self._item = rule, item
        self._items, self._files, self._problems = FaultCount(), 0, len(strays)
        self._strays = [f"{stray.path}: {stray.reason}" for stray in strays]
        self._first: list[str] = []

    def add(self, item: MeasuredItem) -> None:
        self._files += item.files
        self._items.add(item.path, bool(item.problems))
        self._problems += len(item.problems)
        room = NAMED - len(self._first)
        self._first += [f"{item.folder}/{problem.path}: {problem.reason}" for problem in item.problems[:room]]

    def check(self) -> Check:
        total, bad, problems = self._items.total, self._items.bad, self._problems
        first = [*self._first, *self._strays][:NAMED]
        status, why = Status.GO, ""
        if problems:
            lost = problems > MAJORITY * self._files
            status = Status.NO_GO if lost else worst([Status.CAUTION, self._rule.status(bad, total)])
            more = f", and {problems - 1} more" if problems > 1 else ""
            why = (
                f"{problems} of {self._files} files cannot be read, in {bad} of {total} {self._item}s: {first[0]}{more}"
            )
        return Check(
            id="unreadable", title="Files that can be read",
            value=problems, unit=f"of {self._files} files unreadable",
            threshold=f"none; {tolerated(total, self._rule, self._item)}, or where most files are unreadable",
            status=status, why=why,
            hint="Make these files again; look for a full disk or an interrupted run." if problems else "",
            evidence=[line.split(": ")[0] for line in first],
        )  # fmt: skip


def bad_items(count: FaultCount, rule: AcceptanceRule, item: str) -> tuple[Check, int]:
    """All faults together: the share of bad items with its bounds, and how many more a sample needs."""
    bad, total = count.bad, count.total
    more = rule.more(bad, total)
    names = f" ({count.names})" if 0 < bad < total else ""
    why = f"{bad} of {total} {item}s are bad{names}" if bad else f"none of {total} {item}s is bad"
    if rule.sampled:
        lower, upper = bounds(bad, total)
        why += f"; of all {item}s, {percent(lower)} to {percent(upper)} may be bad (95 % confidence)"
    elif bad and (rule.false_alarm or rule.miss):
        why += f"; corrected for the detector's own errors: {percent(rule.corrected(bad, total))}"
    hint = "Open the contact sheet: worst first, the reason under each." if bad else ""
    if more:
        why += f"; undecided: {more} more are needed"
        hint = f"The workflow makes {more} more and judges again; by hand: put {more} more {item}s beside these."
    check = Check(
        id="bad_items", title=f"{item.capitalize()}s with any fault",
        value=round(100 * bad / total, 1) if total else None, unit=f"% of {item}s",
        threshold=tolerated(total, rule, item), status=Status.UNKNOWN if more else rule.status(bad, total),
        why=why, hint=hint, evidence=count.first,
    )  # fmt: skip
    return check, more


def counted_check(
    count: FaultCount, rule: AcceptanceRule, item: str, *, id: str, title: str, criterion: str, why: str, hint: str
) -> Check:
    """The share of items with one kind of fault, compared with the tolerated share.

    Args:
        criterion: when an item counts as bad, in words.
        why: the cause.
    """
    bad, total = count.bad, count.total
    return Check(
        id=id, title=title, value=round(100 * bad / total, 1) if total else None, unit=f"% of {item}s",
        threshold="; ".join(filter(None, [tolerated(total, rule, item), criterion])), status=rule.status(bad, total),
        why=why, hint=hint if bad else "", evidence=count.first,
    )  # fmt: skip


def tolerated(total: int, rule: AcceptanceRule, item: str) -> str:
    """`<= 5 % of scenes, NO-GO from 4 of 10`."""
    stop = rule.stop_count(total)
    no_go = f", NO-GO from {stop} of {total}" if stop <= total else ""
    return f"<= {100 * rule.tolerance:g} % of {item}s{no_go}"


def not_judged(id: str, title: str, why: str, hint: str = "") -> Check:
    """A check that could not be made: passes, and is never green."""
    return Check(id=id, title=title, status=Status.CAUTION, why=f"not judged: {why}", hint=hint)
