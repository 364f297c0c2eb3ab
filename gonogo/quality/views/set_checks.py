"""Checks of the set as a whole: its variety and its pairing."""

from __future__ import annotations

from collections.abc import Sequence

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.fault_counts import FaultCount, not_judged
from gonogo.quality.pictures.matching import TELLING_INLIERS
from gonogo.quality.views.findings import SceneFinding
from gonogo.quality.views.overview import SceneOverview
from gonogo.quality.wording import percent
from gonogo.verdict import Check, Status, not_measured

LEAST_MATCHING = 0.5  # of right pairs 93-97 % match, of wrong ones 3-14 %
FEW_SCENES = 4  # below, a set's spread and pairing can be chance
# faults that take away what would show whose view it is
UNTELLING = {
    "dark", "constant", "overexposed", "noise", "blotchy", "washed_out", "repeated", "misses_cloud", "cloud_small",
    "unreadable",
}  # fmt: skip


class Pairing:
    """Whether views are more like their own input than like others, over the views that show it."""

    def __init__(self, gate: QualityGate) -> None:
        self._gate = gate
        self.scenes = self._views = 0
        self.untelling = 0  # views with a fault that takes away what would show whose they are
        self.unvaried = 0  # views with a fault that makes pictures alike
        self._telling, self._all = [0.0, 0], [0.0, 0]

    def add(self, scene: SceneFinding) -> None:
        self.scenes += 1
        for view in scene.views:
            explained = view.ids & UNTELLING
            self._views += 1
            self.untelling += bool(explained)
            self.unvaried += bool(explained - {"repeated"})
            if view.nearer is not None:
                for sums in [self._all] if explained else [self._all, self._telling]:
                    sums[0] += view.nearer
                    sums[1] += 1

    def check(self) -> Check:
        id_, title = "pairing", "Views belong to their input"
        total, count = self._telling if self._telling[1] else self._all
        if not count:
            return not_judged(id_, title, "it takes two scenes with readable pictures")
        auc = total / count
        status, remark = self.of_set(auc >= self._gate.min_pairing_auc, self.untelling)
        stopped = status is Status.NO_GO
        claim = "views do not belong to their input: it" if stopped else "a view's own input"
        why = f"{claim} is nearer than another's in {percent(auc)} of comparisons (chance: 50 %){remark}"
        return Check(
            id=id_, title=title, value=round(auc, 3), unit="AUC", threshold=f">= {self._gate.min_pairing_auc:g}",
            status=status, why="" if status is Status.GO else why,
            hint="Look for shuffled names, or an off-by-one between inputs and views." if stopped else "",
        )  # fmt: skip

    def of_set(self, good: bool, explained: int) -> tuple[Status, str]:
        """Status of a figure over the set; it only warns where other faults explain it, or scenes are few."""
        if good:
            return Status.GO, ""
        if 2 * explained > self._views:
            return Status.CAUTION, "; the faults reported elsewhere explain it"
        if self.scenes < FEW_SCENES:
            return Status.CAUTION, f"; {self.scenes} scenes are too few to be sure"
        return Status.NO_GO, ""


def view_variance(overview: SceneOverview, pairing: Pairing, gate: QualityGate) -> Check:
    """Whether the views of different inputs differ at all, against how the inputs do."""
    id_, title, ratio = "view_variance", "Views differ from one another", overview.variance_ratio
    if ratio is None:
        return not_judged(id_, title, "it takes two scenes with different inputs")
    status, remark = pairing.of_set(ratio >= gate.min_view_variance_ratio, pairing.unvaried)
    stopped = status is Status.NO_GO
    claim = "every view is nearly the same: they" if stopped else "the views"
    why = f"{claim} vary by {100 * ratio:.1f} % of what their inputs do{remark}"
    return Check(
        id=id_, title=title, value=round(ratio, 4), unit="of the inputs' variance",
        threshold=f">= {gate.min_view_variance_ratio:g}", status=status, why="" if status is Status.GO else why,
        hint="Check whether the input reaches the generator." if stopped else "",
    )  # fmt: skip


def matches(inliers: Sequence[int], pairing: Pairing) -> Check:
    """Whether points of an input are found again in its view: a warning about the set, from a few of its scenes."""
    id_, title = "matches", "Views show the scene of their input"
    if len(inliers) < FEW_SCENES:
        why = f"{len(inliers)} scenes of 64 pixels and more with enough detail"
        return not_measured(id_, title, why)
    matching = sum(count >= TELLING_INLIERS for count in inliers)
    good = matching >= LEAST_MATCHING * len(inliers)
    status, remark = pairing.of_set(good, pairing.untelling)
    why = f"the input's points are found again in {matching} of {len(inliers)} nearest views{remark}"
    return Check(
        id=id_, title=title, value=matching, unit=f"of {len(inliers)} scenes",
        threshold=f">= {percent(LEAST_MATCHING)} with {TELLING_INLIERS} matches that agree; a warning",
        status=Status.GO if good else Status.CAUTION, why="" if good else why,
        hint="Check whether views show another picture, mirrored or distorted." if status is Status.NO_GO else "",
    )  # fmt: skip


def nothing_to_judge(scenes: FaultCount) -> Check:
    return Check(
        id="bad_items", title="Scenes with any fault", unit="% of scenes", status=Status.UNKNOWN,
        why=f"none of {scenes.total} scenes has a view", hint="Generate the views, then judge again.",
    )  # fmt: skip
