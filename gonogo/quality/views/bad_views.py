"""Views at fault in scenes that have too few of them to be bad: one bad view of four, in every scene."""

from __future__ import annotations

from collections import Counter

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.fault_counts import FaultCount, tolerated
from gonogo.quality.views.findings import SceneFinding
from gonogo.quality.views.measurements import PICTURE
from gonogo.quality.wording import NAMED
from gonogo.verdict import Check, Status, worst


class BadViews:
    """Counts views with any fault in scenes that pass, and those with the bytes of a view of another scene."""

    def __init__(self, gate: QualityGate, rule: AcceptanceRule) -> None:
        self._rule = AcceptanceRule(gate.max_bad_views, rule.false_alarm, rule.miss, rule.sampled, rule.most)
        self._bad, self._faults = FaultCount(), Counter[str]()
        self._identical, self._pairs = FaultCount(), list[tuple[str, str]]()

    def add(self, scene: SceneFinding) -> None:
        for view in scene.views:
            path = f"{view.folder}/{view.path}/{PICTURE}"
            single = bool(view.faults) and not scene.bad
            self._bad.add(path, single)
            self._faults.update([view.faults[0].id] if single else [])
            elsewhere = bool(view.identical_to) and not view.identical_to.startswith(f"{scene.name}/")
            self._identical.add(path, elsewhere)
            if elsewhere and len(self._pairs) < NAMED // 2:
                self._pairs.append((path, f"{view.folder}/{view.identical_to}/{PICTURE}"))

    def checks(self) -> list[Check]:
        return [self._bad_check(), self._identical_check()]

    def _bad_check(self) -> Check:
        bad, total = self._bad.bad, self._bad.total
        status = self._rule.status(bad, total)
        faults = ", ".join(f"{fault} ({count})" for fault, count in self._faults.most_common(3))
        why = f"{bad} of {total} views are at fault in scenes that pass: {faults}; {self._bad.names}" if bad else ""
        return Check(
            id="bad_views", title="Single views with any fault",
            value=round(100 * bad / total, 1) if total else None, unit="% of views",
            threshold=tolerated(total, self._rule, "view"), status=status, why=why, evidence=self._bad.first,
            hint="Look for what these views share: one camera, one frame of each scene." if bad else "",
        )  # fmt: skip

    def _identical_check(self) -> Check:
        same, total = self._identical.bad, self._identical.total
        status = worst([Status.CAUTION, self._rule.status(same, total)]) if same else Status.GO
        pairs = "; ".join(f"{view} is {other}" for view, other in self._pairs[:2])
        return Check(
            id="identical_views", title="Views of different scenes differ", value=same, unit=f"of {total} views",
            threshold=f"none with the bytes of another scene's; {tolerated(total, self._rule, 'view')}",
            status=status, why=f"{same} of {total} views are copies of another scene's: {pairs}" if same else "",
            hint="Check that the scene reaches the renderer, and whether files were copied." if same else "",
            evidence=[path for pair in self._pairs for path in pair],
        )  # fmt: skip
