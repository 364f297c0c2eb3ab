"""How many views are at fault, and how many scenes have too many of them."""

from __future__ import annotations

from collections.abc import Callable

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.fault_counts import FaultCount, counted_check
from gonogo.quality.views.findings import SceneFinding, ViewFinding, too_many
from gonogo.quality.views.measurements import PICTURE
from gonogo.quality.wording import NAMED, listed
from gonogo.verdict import Check

EXAMPLES = 256  # views at fault that a check takes its figures from


class SceneCounts:
    """Views at fault, and the scenes that have too many of them.

    Args:
        at_fault: whether a view is.
        among: views that count at all.

    Attributes:
        scenes: with views that count, and those that are bad.
        views: that count; `flagged`: of them at fault, in bad scenes and others.
        examples: the first views at fault.
        all_side: whether every view at fault is far from its input's camera; `any_near`: whether there are others.
    """

    def __init__(
        self,
        at_fault: Callable[[ViewFinding], bool],
        gate: QualityGate,
        among: Callable[[ViewFinding], bool] = lambda view: True,
    ) -> None:
        self._at_fault, self._gate, self._among = at_fault, gate, among
        self.scenes = FaultCount()
        self.views = self.flagged = 0
        self.examples: list[ViewFinding] = []
        self.all_side, self.any_near = True, False

    def add(self, scene: SceneFinding) -> None:
        """Count the views of a scene; a scene without any that count is left out."""
        self.any_near |= any(not view.side for view in scene.views)
        views = [view for view in scene.views if self._among(view)]
        if not views:
            return
        flags = [self._at_fault(view) for view in views]
        flagged = [view for view, flag in zip(views, flags, strict=True) if flag]
        self.scenes.add(scene.name, too_many(flags, self._gate))
        self.views += len(views)
        self.flagged += len(flagged)
        self.examples += flagged[: EXAMPLES - len(self.examples)]
        self.all_side &= all(view.side for view in flagged)

    def where(self) -> str:
        """`50 of 80 views, in 3 of 10 scenes (image_0001, …)`; scenes are named where some are good."""
        text = f"{self.flagged} of {self.views} views"
        bad, total = self.scenes.bad, self.scenes.total
        if not bad:
            return text
        names = f" ({self.scenes.names})" if bad < total else ""
        return f"{text}, in {bad} of {total} scenes{names}"

    def within_tolerance(self) -> str:
        """What is said of single views at fault that make no scene bad; empty for none."""
        if not self.flagged:
            return ""
        return f"{self.where()}: {listed([view.path for view in self.examples[:NAMED]], self.flagged)}"

    def check(self, rule: AcceptanceRule, *, id: str, title: str, criterion: str, why: str, hint: str) -> Check:
        """The share of bad scenes compared with the tolerated share; the pictures at fault are its evidence."""
        check = counted_check(self.scenes, rule, "scene", id=id, title=title, criterion=criterion, why=why, hint=hint)
        examples = self.examples[:NAMED] if self.scenes.bad else []
        check.evidence = [f"{view.folder}/{view.path}/{PICTURE}" for view in examples]
        return check
