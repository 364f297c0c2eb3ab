"""Counting over scenes: of how many is a check true, and what does that say about all of them?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gonogo.config import QualityGate
from gonogo.quality.decisions import decide, stop_count
from gonogo.quality.findings import SceneFinding, ViewFinding, too_many
from gonogo.verdict import Check, Status

NAMED = 10  # files or scenes that a check names


@dataclass(frozen=True)
class Tally:
    """Views at fault, and the scenes that have too many of them.

    Attributes:
        scenes: that were asked; `views`: likewise.
        bad: names of scenes.
        flagged: views at fault, in bad scenes and others.
    """

    scenes: int
    views: int
    bad: list[str]
    flagged: list[ViewFinding]

    def status(self, gate: QualityGate) -> Status:
        return decide(len(self.bad), self.scenes, gate.max_bad_scenes)

    def where(self) -> str:
        """`50 of 80 views, in 3 of 10 scenes (image_0001, …)`; scenes are named where some are good."""
        text = f"{len(self.flagged)} of {self.views} views"
        if not self.bad:
            return text
        names = f" ({listed(self.bad)})" if len(self.bad) < self.scenes else ""
        return f"{text}, in {len(self.bad)} of {self.scenes} scenes{names}"


def tally(
    scenes: Sequence[SceneFinding],
    fires: Callable[[ViewFinding], bool],
    gate: QualityGate,
    among: Callable[[ViewFinding], bool] = lambda view: True,
) -> Tally:
    """Count the views for which `fires`, of those in `among`; scenes without any of those are left out."""
    asked = [(scene.name, [view for view in scene.views if among(view)]) for scene in scenes]
    asked = [(name, views) for name, views in asked if views]
    return Tally(
        scenes=len(asked),
        views=sum(len(views) for _, views in asked),
        bad=[name for name, views in asked if too_many([fires(view) for view in views], gate)],
        flagged=[view for _, views in asked for view in views if fires(view)],
    )


def tally_check(
    counted: Tally,
    gate: QualityGate,
    *,
    id: str,
    title: str,
    asked: str,
    why: str,
    hint: str,
    paths: Sequence[str],
) -> Check:
    """The share of bad scenes held against `max_bad_scenes`.

    Args:
        asked: when a view counts as bad, in words.
        why: the cause.
        paths: of the files at fault.
    """
    status = counted.status(gate)
    return Check(
        id=id,
        title=title,
        value=round(100 * len(counted.bad) / counted.scenes, 1) if counted.scenes else None,
        unit="% of scenes",
        threshold=f"{tolerated(counted.scenes, gate)}; {asked}",
        status=status,
        why=why,
        hint=hint if counted.bad else "",
        evidence=list(paths[:NAMED]) if counted.bad else [],
    )


def within_tolerance(counted: Tally) -> str:
    """What is said of single views at fault that make no scene bad; empty for none."""
    return f"{counted.where()}: {listed([view.path for view in counted.flagged])}" if counted.flagged else ""


def percent(share: float) -> str:
    """`24 %`."""
    return f"{100 * share:.0f} %"


def tolerated(scenes: int, gate: QualityGate) -> str:
    """`<= 5 % of scenes, NO-GO from 4 of 10`."""
    stop = stop_count(scenes, gate.max_bad_scenes)
    no_go = f", NO-GO from {stop} of {scenes}" if stop <= scenes else ""
    return f"<= {100 * gate.max_bad_scenes:g} % of scenes{no_go}"


def not_judged(id: str, title: str, why: str, hint: str = "") -> Check:
    """A check that could not be made: passes, and is never green."""
    return Check(id=id, title=title, status=Status.CAUTION, why=f"not judged: {why}", hint=hint)


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
