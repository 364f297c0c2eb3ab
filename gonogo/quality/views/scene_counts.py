"""Counting over scenes: how many views are at fault, and how many scenes have too many of them?"""

from __future__ import annotations

from collections.abc import Callable

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.fault_counts import NAMED, Count, listed
from gonogo.quality.views.findings import SceneFinding, ViewFinding, too_many
from gonogo.quality.views.measurements import PICTURE

TOLD = 256  # views at fault that an account takes its figures from


class Tally:
    """Views at fault, and the scenes that have too many of them.

    Attributes:
        scenes: that were asked, and those that are bad.
        views: that were asked; `flagged`: of them at fault, in bad scenes and others.
        told: the first views at fault.
        all_side: whether every view at fault is far from its input's camera; `any_near`: whether there are others.
    """

    def __init__(
        self,
        fires: Callable[[ViewFinding], bool],
        gate: QualityGate,
        among: Callable[[ViewFinding], bool] = lambda view: True,
    ) -> None:
        self._fires, self._gate, self._among = fires, gate, among
        self.scenes = Count()
        self.views = self.flagged = 0
        self.told: list[ViewFinding] = []
        self.all_side, self.any_near = True, False

    def add(self, scene: SceneFinding) -> None:
        """Count the views of a scene that are in `among`; a scene without any of those is left out."""
        self.any_near |= any(not view.side for view in scene.views)
        asked = [view for view in scene.views if self._among(view)]
        if not asked:
            return
        fired = [self._fires(view) for view in asked]
        flagged = [view for view, fires in zip(asked, fired, strict=True) if fires]
        self.scenes.add(scene.name, too_many(fired, self._gate))
        self.views += len(asked)
        self.flagged += len(flagged)
        self.told += flagged[: TOLD - len(self.told)]
        self.all_side &= all(view.side for view in flagged)

    @property
    def paths(self) -> list[str]:
        """The first pictures at fault."""
        return [f"{view.folder}/{view.path}/{PICTURE}" for view in self.told[:NAMED]]

    def where(self) -> str:
        """`50 of 80 views, in 3 of 10 scenes (image_0001, …)`; scenes are named where some are good."""
        text = f"{self.flagged} of {self.views} views"
        bad, asked = self.scenes.bad, self.scenes.asked
        if not bad:
            return text
        names = f" ({self.scenes.names})" if bad < asked else ""
        return f"{text}, in {bad} of {asked} scenes{names}"

    def within_tolerance(self) -> str:
        """What is said of single views at fault that make no scene bad; empty for none."""
        if not self.flagged:
            return ""
        return f"{self.where()}: {listed([view.path for view in self.told[:NAMED]], self.flagged)}"
