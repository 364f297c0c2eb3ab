"""Marks that one picture may bear by nature and that a set's pictures do not share by chance."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gonogo.config.quality_thresholds import ImagesGate
from gonogo.quality.acceptance import AT_ONCE, tail
from gonogo.quality.fault_counts import FaultCount
from gonogo.quality.items import Fault
from gonogo.quality.pictures.mark_faults import mark_faults
from gonogo.quality.wording import percent
from gonogo.verdict import Check, Status

if TYPE_CHECKING:
    from gonogo.quality.pictures.items import ImageItem
    from gonogo.quality.pictures.measurements import Marks

PLACES = 32  # of a side, in which cuts are told apart
SAME_PLACE = 0.5  # of all cuts that are at one place, where one step has made them
EXAMPLES = 2  # of each place, by path
COLOURED = 8.0  # levels by which channels differ; grey pictures, as from a microscope, are soft by nature
WHITE_BORDER, WHITE_LEVEL = 0.9, 240  # of an object before white
DECORRELATED, CORRELATED = 0.85, 0.93  # of neighbours down the columns, and along the rows

MARKS = {
    "overexposed": (
        "Light of the set",
        "are overexposed: colours are clipped beside large white parts",
        "Look for a gain or gamma applied twice, and for floats beyond 1.",
    ),
    "soft": (
        "Detail of the set",
        "have no sharp edge anywhere",
        "Check whether they were enlarged, smoothed, or decoded at a fraction of their size.",
    ),
    "rows_apart": (
        "Rows of the set",
        "have rows that do not fit the next ones",
        "Check the width and the stride with which they were read, and the order of the rows.",
    ),
    "few_levels": (
        "Levels of the set",
        "are in a few levels at equal distances",
        "Look for a wrong type (bool, few bits), and for colours that were quantised.",
    ),
    "channel_lost": (
        "Channels that are lost",
        "have a channel that is empty or full",
        "Check how many channels were written, and what the writer fills them with.",
    ),
    "channels_alike": (
        "Channels of the set",
        "hold one channel twice beside another",
        "Check how channels were joined.",
    ),
    "colour_space": (
        "Colour space of the set",
        "have channels that are no red, green and blue: chroma or hue stored as colour",
        "Convert YUV, Lab or HSV to RGB before the pictures are written.",
    ),
    "planes": (
        "Order of the axes",
        "show the same three times side by side: channels first, read as channels last",
        "Move the axis of the channels (transpose) before the array is written.",
    ),
}  # fmt: skip  title of the check, what is wrong, and what to do


class SharedMarks:
    """Counts marks over all pictures, and says which of them are no chance. A few bytes a set."""

    def __init__(self, gate: ImagesGate) -> None:
        self._gate = gate
        self._counts = {id_: FaultCount() for id_ in MARKS}
        self._cuts = Counter[tuple[str, int]]()
        self._total, self._first_cuts = 0, dict[tuple[str, int], list[str]]()

    def add(self, picture: ImageItem) -> None:
        """A picture that was decoded."""
        if picture.pixels is None or picture.marks is None:
            return
        self._total += 1
        borne = {fault.id for fault in self._borne(picture)}
        for id_, count in self._counts.items():
            count.add(picture.path, id_ in borne)
        if place := self._place(picture.marks):
            self._cuts[place] += 1
            first = self._first_cuts.setdefault(place, [])
            first.extend([picture.path] if len(first) < EXAMPLES else [])

    def faults(self, picture: ImageItem) -> list[Fault]:
        """What of a shared mark this picture bears; after the last `add`."""
        marks = picture.marks
        if marks is None:
            return []
        shared = self._shared_cuts()
        found = []
        if shared and self._place(marks) in shared:
            found.append(Fault("lost_part", f"{marks.cut_side} {marks.cut_share:.0%} lost"))
        if any(self._is_shared(count.bad) for count in self._counts.values()):
            found += [fault for fault in self._borne(picture) if self._is_shared(self._counts[fault.id].bad)]
        return found[:1]

    def checks(self) -> list[Check]:
        return [self._cut_check(), *(self._check(id_, count) for id_, count in self._counts.items())]

    def _borne(self, picture: ImageItem) -> list[Fault]:
        y, marks, gate = picture.pixels, picture.marks, self._gate
        assert y is not None and marks is not None
        found = [fault for fault in mark_faults(picture, gate) if fault.id in MARKS]
        before_white = y.border_share > WHITE_BORDER and y.border_level > WHITE_LEVEL
        clipped = marks.clipped_share > gate.max_clipped_share and marks.clipped_spread > gate.min_clipped_spread
        soft = marks.step_ratio < gate.min_step_ratio and marks.sharpest < gate.min_sharpest
        variance = 2 * max(y.sigma, 1) ** 2
        rows_apart = (
            marks.steps_down > gate.max_rows_apart * marks.steps_across
            and 1 - marks.steps_down / variance < DECORRELATED
            and 1 - marks.steps_across / variance > CORRELATED
        )
        checks = [
            ("overexposed", f"clipped {marks.clipped_share:.0%}", clipped and not before_white),
            ("soft", f"nothing sharp {marks.sharpest:.2f}", soft and marks.most_apart > COLOURED),
            ("rows_apart", f"rows apart {marks.steps_down / marks.steps_across:.1f}", rows_apart),
        ]
        return found + [Fault(id_, reason) for id_, reason, fires in checks if fires]

    def _place(self, marks: Marks) -> tuple[str, int] | None:
        if not marks.cut_side or marks.cut_share < self._gate.max_lost_part:
            return None
        return marks.cut_side, round(marks.cut_share * PLACES)

    def _is_shared(self, bad: int) -> bool:
        """Whether so many of the pictures are more than those that bear it by nature."""
        return bad > 0 and tail(bad, self._total, self._gate.marked_by_nature) <= AT_ONCE

    def _shared_cuts(self) -> set[tuple[str, int] | None]:
        total = self._cuts.total()
        return {place for place, count in self._cuts.items() if self._is_shared(count) and count >= SAME_PLACE * total}

    def _check(self, id_: str, count: FaultCount) -> Check:
        title, claim, hint = MARKS[id_]
        stopped = self._is_shared(count.bad)
        return Check(
            id=f"shared_{id_}", title=title, value=count.bad, unit=f"of {self._total} pictures",
            threshold=self._threshold(), status=self._status(stopped), hint=hint if stopped else "",
            why=f"{count.bad} of {self._total} pictures {claim} ({count.names})" if stopped else "",
            evidence=count.first if stopped else [],
        )  # fmt: skip

    def _cut_check(self) -> Check:
        shared = [place for place in self._shared_cuts() if place]
        count = sum(self._cuts[place] for place in shared)
        names = [name for place in shared for name in self._first_cuts[place]]
        where = ", ".join(side if " " in side else f"{side} {at / PLACES:.0%}" for side, at in shared)
        why = (
            f"{count} of {self._total} pictures are of one colour in the same part, which ends at a straight line: "
            f"{where} ({', '.join(names)})"
        )
        return Check(
            id="shared_lost_part", title="Parts that are lost", value=count, unit=f"of {self._total} pictures",
            threshold=f"{self._threshold()}; a part of {percent(self._gate.max_lost_part)} or more",
            status=self._status(bool(shared)), why=why if shared else "", evidence=names,
            hint="Check what writes them: a buffer that is too small, a crop, tiles never rendered." if shared else "",
        )  # fmt: skip

    def _status(self, stopped: bool) -> Status:
        return Status.NO_GO if stopped else Status.GO if self._total else Status.UNKNOWN

    def _threshold(self) -> str:
        return f"no more than by chance, where {percent(self._gate.marked_by_nature)} of good pictures look like it"
