"""Checks of the set as a whole: its variety, its pairing, and how many scenes are bad."""

from __future__ import annotations

from collections.abc import Sequence

from gonogo.config import QualityGate
from gonogo.quality.decisions import bounds, decide
from gonogo.quality.findings import SceneFinding, ViewFinding
from gonogo.quality.measurements import ViewMeasurements
from gonogo.quality.tally import NAMED, listed, not_judged, percent, tolerated
from gonogo.verdict import Check, Status

FEW_SCENES = 4  # below, a set's spread and pairing can be chance
UNTELLING = frozenset(
    {
        "dark",
        "constant",
        "overexposed",
        "noise",
        "blotchy",
        "washed_out",
        "repeated",
        "misses_cloud",
        "cloud_small",
        "unreadable",
    }
)
"""Faults that take away what would tell whose view it is."""


def view_variance(measured: ViewMeasurements, scenes: Sequence[SceneFinding], gate: QualityGate) -> Check:
    """Whether the views of different inputs differ at all, against how the inputs do."""
    id_, title, ratio = "view_variance", "Views differ from one another", measured.view_variance_ratio
    if ratio is None:
        return not_judged(id_, title, "it takes two scenes with different inputs")
    status, remark = _of_set(ratio >= gate.min_view_variance_ratio, scenes, UNTELLING - {"repeated"})
    stopped = status is Status.NO_GO
    claim = "every view is nearly the same: they" if stopped else "the views"
    why = f"{claim} vary by {100 * ratio:.1f} % of what their inputs do{remark}"
    return Check(
        id=id_,
        title=title,
        value=round(ratio, 4),
        unit="of the inputs' variance",
        threshold=f">= {gate.min_view_variance_ratio:g}",
        status=status,
        why="" if status is Status.GO else why,
        hint="Look whether the input reaches the generator." if stopped else "",
    )


def pairing(scenes: Sequence[SceneFinding], gate: QualityGate) -> Check:
    """Whether views are more like their own input than like others, over the views that can tell."""
    id_, title = "pairing", "Views belong to their input"
    views = [view for scene in scenes for view in scene.views]
    telling = _nearer([view for view in views if not view.ids & UNTELLING]) or _nearer(views)
    if not telling:
        return not_judged(id_, title, "it takes two scenes with readable pictures")
    auc = sum(telling) / len(telling)
    status, remark = _of_set(auc >= gate.min_pairing_auc, scenes, UNTELLING)
    stopped = status is Status.NO_GO
    claim = "views do not belong to their input: it" if stopped else "a view's own input"
    why = f"{claim} is nearer than another's in {percent(auc)} of comparisons (chance: 50 %){remark}"
    return Check(
        id=id_,
        title=title,
        value=round(auc, 3),
        unit="AUC",
        threshold=f">= {gate.min_pairing_auc:g}",
        status=status,
        why="" if status is Status.GO else why,
        hint="Look for shuffled names, or an off-by-one between inputs and views." if stopped else "",
    )


def bad_scenes(scenes: Sequence[SceneFinding], gate: QualityGate) -> Check:
    """All faults together: the share of bad scenes, with its one-sided 95 % bounds."""
    bad, n = [scene for scene in scenes if scene.bad], len(scenes)
    lower, upper = bounds(len(bad), n)
    if bad:
        names = f" ({listed([scene.name for scene in bad])})" if len(bad) < n else ""
        why = f"{len(bad)} of {n} scenes are bad{names}; {percent(lower)} to {percent(upper)} may be (95 %)"
    else:
        why = f"none of {n} scenes is bad; up to {percent(upper)} may be (95 %)"
    return Check(
        id="bad_scenes",
        title="Scenes with any fault",
        value=round(100 * len(bad) / n, 1),
        unit="% of scenes",
        threshold=tolerated(n, gate),
        status=decide(len(bad), n, gate.max_bad_scenes),
        why=why,
        hint="Look at the contact sheet: worst scenes first, the reason under each view." if bad else "",
        evidence=[f"{scene.folder}/{scene.name}" for scene in bad[:NAMED]],
    )


def nothing_to_judge(scenes: Sequence[SceneFinding]) -> Check:
    return Check(
        id="bad_scenes",
        title="Scenes with any fault",
        unit="% of scenes",
        status=Status.UNKNOWN,
        why=f"none of {len(scenes)} scenes has a view",
        hint="Generate the views, then judge again.",
    )


def _of_set(good: bool, scenes: Sequence[SceneFinding], explained_by: frozenset[str]) -> tuple[Status, str]:
    """Status of a figure over the set; it only warns where other faults explain it, or scenes are few."""
    if good:
        return Status.GO, ""
    views = [view for scene in scenes for view in scene.views]
    if 2 * sum(bool(view.ids & explained_by) for view in views) > len(views):
        return Status.CAUTION, "; the faults told elsewhere explain it"
    if len(scenes) < FEW_SCENES:
        return Status.CAUTION, f"; {len(scenes)} scenes are too few to be sure"
    return Status.NO_GO, ""


def _nearer(views: Sequence[ViewFinding]) -> list[float]:
    return [v.measured.nearer_than_others for v in views if v.measured.nearer_than_others is not None]
