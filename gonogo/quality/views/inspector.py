"""Posed views: inputs with the pictures that a generator made of them, scene by scene.

Judging opens no picture, so what reads and draws them is imported where that is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from gonogo.config.gate_thresholds import ResultsGate
from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.fault_counts import FaultCount, FaultGroupCounter, UnreadableFiles, WorstItems, bad_items
from gonogo.quality.inspector import Inspector, ItemFiles, ItemReading, Scan, StatisticsCache
from gonogo.quality.items import Finding, FindingSink, MeasuredItem
from gonogo.quality.judgement import Judgement
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.views.bad_views import BadViews
from gonogo.quality.views.camera_check import Cameras
from gonogo.quality.views.causes import CauseFinder, DataCause
from gonogo.quality.views.fault_groups import VIEW_FAULT_GROUPS
from gonogo.quality.views.file_checks import Formats, scene_fault_groups
from gonogo.quality.views.findings import SceneFinding, scene_finding
from gonogo.quality.views.geometry import geometry_auc, geometry_check
from gonogo.quality.views.measurements import INPUT, SceneMeasurement
from gonogo.quality.views.overview import SceneOverview
from gonogo.quality.views.pose_agreement import PoseAgreement
from gonogo.quality.views.rows import scene_rows
from gonogo.quality.views.set_checks import Pairing, matches, nothing_to_judge, view_variance
from gonogo.quality.views.view_checks import SideViews, ViewFaultCounter
from gonogo.verdict import Check, Status

if TYPE_CHECKING:
    from PIL import Image

    from gonogo.quality.distributions import Distribution


class Views(Inspector):
    name, title, item = "views", "posed views", "scene"
    Item: ClassVar[type[MeasuredItem]] = SceneMeasurement

    def scan(self, folder: Path) -> Scan:
        from gonogo.quality.views.scenes import scan

        return scan(folder)

    def measure(self, files: ItemFiles, cache: StatisticsCache) -> ItemReading:
        from gonogo.quality.views.scenes import read_scene

        return read_scene(files, cache)

    def judge(self, data: MeasuredSet, gate: QualityGate, rule: AcceptanceRule, each: FindingSink) -> Judgement:
        """One check for each question that a user would ask of the data, and the cause of what is wrong.

        Without any view to judge the answer is UNKNOWN.
        """
        overview, readable = SceneOverview(), UnreadableFiles(rule, self.item, data.strays)
        for item in data.items(SceneMeasurement):
            overview.add(item)
            readable.add(item)
        overview.close()
        counters = [ViewFaultCounter(group, gate, rule) for group in VIEW_FAULT_GROUPS]
        inputs, view_counts = (
            FaultGroupCounter(group, self.item, unreadable=True)
            for group in scene_fault_groups(overview.expected_views)
        )
        cause_finder, cameras, side = CauseFinder(gate), Cameras(gate, rule), SideViews(gate, rule)
        bad_views, poses = BadViews(gate, rule), PoseAgreement()
        pairing, formats, bad, worst = Pairing(gate), Formats(), FaultCount(), WorstItems(rule)
        sinks: list[Any] = [*counters, cause_finder, cameras, side, pairing, inputs, view_counts, formats, worst]
        sinks += [bad_views, poses]
        for item in data.items(SceneMeasurement):
            finding = scene_finding(item, overview, gate)
            bad.add(item.path, finding.bad)
            for sink in sinks:
                sink.add(finding)
            each(finding)
        files = readable.check()
        lost = files.status is Status.NO_GO
        if not overview.expected_views:
            cause = DataCause.UNREADABLE if lost else DataCause.NONE
            return Judgement([files, nothing_to_judge(bad)], str(cause), worst.findings, len(data), bad.bad)
        cause = DataCause.UNREADABLE if lost else cause_finder.cause
        overall, more = bad_items(bad, rule, self.item)
        checks = [
            files,
            *[counter.check(cause) for counter in counters],
            cameras.check(worst.findings),
            poses.check(),
            *side.checks(),
            pairing.check(),
            view_variance(overview, pairing, gate),
            matches(data.closer, pairing),
            inputs.check(rule),
            *overview.duplicates.checks("input"),
            view_counts.check(rule),
            formats.check(),
            *bad_views.checks(),
            overall,
        ]
        return Judgement(checks, _main_cause(cause, checks, bad), worst.findings, len(data), bad.bad, more)

    def look_closer(self, files: ItemFiles) -> int | None:
        """Inliers of a feature match between the input and its nearest view."""
        from gonogo.quality.views.scenes import nearest_view_inliers

        return nearest_view_inliers(files)

    def prediction_metrics(self, predictions: Path, references: Sequence[Path]) -> dict[str, float]:
        auc = geometry_auc(predictions, references)
        return {} if auc is None else {"geometry_auc": auc}

    def prediction_checks(self, metrics: Mapping[str, float], gate: ResultsGate) -> list[Check]:
        return [geometry_check(metrics["geometry_auc"], gate)] if "geometry_auc" in metrics else []

    def picture(self, item: MeasuredItem) -> Image.Image | None:
        from gonogo.quality.drawing import opened

        return opened(Path(item.path) / INPUT)

    def sheet(self, judgement: Judgement, folders: Sequence[Path], out: Path) -> None:
        """A row for each scene: its input, and its views."""
        from gonogo.quality.views.contact_sheet import contact_sheet

        contact_sheet(folders, judgement, out)

    def distributions(self, gate: QualityGate) -> list[Distribution]:
        from gonogo.quality.views.distributions import views_distributions

        return views_distributions(gate)

    def draws(self, row: dict[str, Any]) -> bool:
        return bool(row["view"])  # inputs are what views are compared with

    def rows(self, finding: Finding) -> Sequence[dict[str, Any]]:
        assert isinstance(finding, SceneFinding)
        return scene_rows(finding)


def _main_cause(cause: DataCause, checks: Sequence[Check], bad: FaultCount) -> str:
    stopped = {check.id for check in checks if check.status is Status.NO_GO}
    if stopped == {"leakage"}:
        return str(DataCause.LEAKAGE)
    return str(cause) if stopped or bad.bad else ""
