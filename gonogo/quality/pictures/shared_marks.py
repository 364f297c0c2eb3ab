"""Marks that one picture may bear by nature and that a set's pictures do not share by chance."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gonogo.config.quality_thresholds import ImagesGate
from gonogo.quality.acceptance import AT_ONCE, tail
from gonogo.quality.fault_counts import FaultCount
from gonogo.quality.items import Fault
from gonogo.quality.pictures.mark_faults import FLAT_SHARE, UNIT_ERROR, mark_faults
from gonogo.quality.wording import percent
from gonogo.verdict import Check, Status

if TYPE_CHECKING:
    from gonogo.quality.pictures.items import ImageItem

PLACES = 32  # of a side: cuts in the same one count as the same
SAME_PLACE = 0.5  # of all cuts that are at one place, where one step has made them
EXAMPLES = 2  # of each place, by path
COLOURED = 8.0  # levels by which channels differ; grey pictures, as from a microscope, are soft by nature
WHITE_BORDER, WHITE_LEVEL = 0.9, 240  # of an object before white
DECORRELATED, CORRELATED = 0.85, 0.93  # of neighbours down the columns, and along the rows
# lag 2 / lag 1 down the columns: rows that do not fit have up to 1.96, smooth layers of rock and of tissue more
SMOOTH_DOWN = 2.0
FRAMED = 0.9  # of the border in one colour: a thing before it, which nothing has cut
MOST_PADDING = 0.45  # of a side; padding 16:9 to a square takes 44 %, title bars, bonnets and half scans less
MAPPED_COLOURS = 85  # in 15 bits; a light shown through a map of colours has fewer, and so have some faults
ICON_SIDE = 64  # pixels; a smaller picture is drawn, with smooth edges in clipped colours

MARKS = {
    "overexposed": (
        "Light of the set",
        "are overexposed: colours are clipped beside large white parts",
        "Look for a gain or gamma applied twice, and for floats beyond 1; a stretched map of colours looks the same.",
    ),
    "soft": (
        "Detail of the set",
        "have no sharp edge anywhere",
        "Check whether they were enlarged, smoothed, or decoded at a fraction of their size; a smooth field in a map "
        "of colours, as of weather, looks the same.",
    ),
    "rows_apart": (
        "Rows of the set",
        "have rows that do not fit the next ones",
        "Check the width and the stride with which they were read, and the order of the rows.",
    ),
    "few_levels": (
        "Levels of the set",
        "are in a few levels at equal distances",
        "Look for a wrong type (bool, few bits), and for colours that were quantised; maps of black, grey and white, "
        "as of events or wafers, look the same.",
    ),
    "channel_lost": (
        "Channels that are lost",
        "have a channel that is empty or full",
        "Check how many channels were written, and what the writer fills them with; a stain in its one "
        "colour and a drawing in shades of one look the same.",
    ),
    "channels_alike": (
        "Channels of the set",
        "hold one channel twice beside another",
        "Check how channels were joined; a magenta/green merge of two stains and an anaglyph look the same.",
    ),
    "colour_space": (
        "Colour space of the set",
        "have channels that are no red, green and blue: chroma or hue stored as colour",
        "Convert YUV, Lab or HSV to RGB before the pictures are written; a merge of three stains and directions shown "
        "as colours look the same.",
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
        self._certain = Counter[str]()  # pictures in which only a fault looks so
        self._cuts = Counter[tuple[str, int]]()
        self._total, self._first_cuts = 0, dict[tuple[str, int], list[str]]()
        self._decided: tuple[set[tuple[str, int] | None], dict[str, Status]] | None = None

    def add(self, picture: ImageItem) -> None:
        """A picture that was decoded."""
        if picture.pixels is None or picture.marks is None:
            return
        self._total += 1
        self._decided = None
        borne = self._borne(picture)
        ids = {fault.id for fault in borne}
        self._certain.update({fault.id for fault in borne if not fault.warns})
        for id_ in ids:
            self._counts[id_].add(picture.path, True)
        if place := self._place(picture):
            self._cuts[place] += 1
            first = self._first_cuts.setdefault(place, [])
            first.extend([picture.path] if len(first) < EXAMPLES else [])

    def faults(self, picture: ImageItem) -> list[Fault]:
        """What of a shared mark this picture bears; after the last `add`."""
        marks = picture.marks
        if marks is None:
            return []
        shared, statuses = self._decide()
        found = []
        if shared and (place := self._place(picture)) in shared:
            padding = place is not None and _may_be_padding(place)
            found.append(Fault("lost_part", f"{marks.cut_side} {marks.cut_share:.0%} lost", warns=padding))
        if any(status is not Status.GO for status in statuses.values()):
            for fault in self._borne(picture):
                status = statuses[fault.id]
                if status is not Status.GO:
                    found.append(Fault(fault.id, fault.reason, fault.warns or status is Status.CAUTION))
        return sorted(found, key=lambda fault: fault.warns)[:1]

    def checks(self) -> list[Check]:
        return [self._cut_check(), *(self._check(id_, count) for id_, count in self._counts.items())]

    def _decide(self) -> tuple[set[tuple[str, int] | None], dict[str, Status]]:
        """The places of cuts that are shared, and each mark's status: the same for every picture, so asked once."""
        if self._decided is None:
            self._decided = self._shared_cuts(), {id_: self._mark_status(id_) for id_ in self._counts}
        return self._decided

    def _borne(self, picture: ImageItem) -> list[Fault]:
        y, marks, gate = picture.pixels, picture.marks, self._gate
        assert y is not None and marks is not None
        found = [fault for fault in mark_faults(picture, gate) if fault.id in MARKS]
        before_white = y.border_share > WHITE_BORDER and y.border_level > WHITE_LEVEL
        clipped = marks.clipped_share > gate.max_clipped_share and marks.clipped_spread > gate.min_clipped_spread
        soft = marks.step_ratio < gate.min_step_ratio and marks.sharpest < gate.min_sharpest
        soft = soft and marks.unit_error >= UNIT_ERROR  # directions of a smooth surface are smooth
        variance = 2 * max(y.sigma, 1) ** 2
        rows_apart = (
            marks.steps_down > gate.max_rows_apart * marks.steps_across
            and 1 - marks.steps_down / variance < DECORRELATED
            and 1 - marks.steps_across / variance > CORRELATED
            and marks.alternation_down < SMOOTH_DOWN
            and marks.flat_share <= FLAT_SHARE  # staves and piano rolls are drawn in rows
        )
        small = min(picture.width, picture.height) < ICON_SIDE  # stripes of so few rows may be a motif
        icon = picture.alpha or small
        mapped = marks.colours < MAPPED_COLOURS
        checks = [
            ("overexposed", f"clipped {marks.clipped_share:.0%}", clipped and not before_white and not icon, mapped),
            ("soft", f"nothing sharp {marks.sharpest:.2f}", soft and marks.most_apart > COLOURED, mapped),
            ("rows_apart", f"rows apart {marks.steps_down / marks.steps_across:.1f}", rows_apart, small),
        ]
        return found + [Fault(id_, reason, warns) for id_, reason, fires, warns in checks if fires]

    def _place(self, picture: ImageItem) -> tuple[str, int] | None:
        marks, y = picture.marks, picture.pixels
        if marks is None or y is None or not marks.cut_side or marks.cut_share < self._gate.max_lost_part:
            return None
        if y.border_share > FRAMED:
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
        status = self._mark_status(id_)
        stopped = status in (Status.NO_GO, Status.CAUTION)
        return Check(
            id=f"shared_{id_}", title=title, value=count.bad, unit=f"of {self._total} pictures",
            threshold=self._threshold(), status=status, hint=hint if stopped else "",
            why=f"{count.bad} of {self._total} pictures {claim} ({count.names})" if stopped else "",
            evidence=count.first if stopped else [],
        )  # fmt: skip

    def _cut_check(self) -> Check:
        shared = [place for place in self._shared_cuts() if place]
        count = sum(self._cuts[place] for place in shared)
        names = [name for place in shared for name in self._first_cuts[place]]
        status = Status.GO if self._total else Status.UNKNOWN
        hint = "Check what writes them: a buffer that is too small, a crop, tiles never rendered."
        if shared:
            padding = all(_may_be_padding(place) for place in shared)
            status = Status.CAUTION if padding else Status.NO_GO
            hint += " Padding, a title bar, a bonnet and half a scan look the same." if padding else ""
        where = ", ".join(side if " " in side else f"{side} {at / PLACES:.0%}" for side, at in shared)
        why = (
            f"{count} of {self._total} pictures are of one colour in the same part, which ends at a straight line: "
            f"{where} ({', '.join(names)})"
        )
        return Check(
            id="shared_lost_part", title="Parts that are lost", value=count, unit=f"of {self._total} pictures",
            threshold=f"{self._threshold()}; a part of {percent(self._gate.max_lost_part)} or more",
            status=status, why=why if shared else "", evidence=names, hint=hint if shared else "",
        )  # fmt: skip

    def _mark_status(self, id_: str) -> Status:
        """CAUTION where good pictures may look the same in most that bear it."""
        if not self._is_shared(self._counts[id_].bad):
            return Status.GO if self._total else Status.UNKNOWN
        return Status.NO_GO if self._is_shared(self._certain[id_]) else Status.CAUTION

    def _threshold(self) -> str:
        return f"no more than by chance, where {percent(self._gate.marked_by_nature)} of good pictures look like it"


def _may_be_padding(place: tuple[str, int]) -> bool:
    """Whether a good set may be of one colour there: less than half of one side."""
    side, at = place
    return " " not in side and at / PLACES < MOST_PADDING
