"""Posed views: inputs with the pictures that a generator made of them, scene by scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from gonogo.config.gate_thresholds import ResultsGate
from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.acceptance import Decision
from gonogo.quality.distributions import Distribution
from gonogo.quality.drawing import opened
from gonogo.quality.fault_counts import Count, Readable, Worst, bad_items
from gonogo.quality.inspector import Inspector, ItemFiles, ItemReading, Scan, StatisticsCache
from gonogo.quality.items import Finding, FindingSink, MeasuredItem
from gonogo.quality.judgement import Judgement
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.views.camera_check import Cameras
from gonogo.quality.views.causes import Blame, Cause
from gonogo.quality.views.contact_sheet import contact_sheet
from gonogo.quality.views.distributions import views_distributions
from gonogo.quality.views.file_checks import Formats, Inputs, ViewCounts
from gonogo.quality.views.findings import SceneFinding, find
from gonogo.quality.views.geometry import geometry_auc, geometry_check
from gonogo.quality.views.measurements import INPUT, SceneMeasurement
from gonogo.quality.views.overview import SceneOverview
from gonogo.quality.views.questions import QUESTIONS
from gonogo.quality.views.questions_over_scenes import Asking, SideViews
from gonogo.quality.views.rows import scene_rows
from gonogo.quality.views.scenes import nearest_view_inliers, read_scene, scan
from gonogo.quality.views.set_checks import Pairing, matches, nothing_to_judge, view_variance
from gonogo.verdict import Check, Status


class Views(Inspector):
    name, title, item = "views", "posed views", "scene"
    Item: ClassVar[type[MeasuredItem]] = SceneMeasurement

    def scan(self, folder: Path) -> Scan:
        return scan(folder)

    def measure(self, files: ItemFiles, cache: StatisticsCache) -> ItemReading:
        return read_scene(files, cache)

    def judge(self, data: MeasuredSet, gate: QualityGate, decision: Decision, each: FindingSink) -> Judgement:
        """One check for each question that a user would ask of the data, and the cause of what is wrong.

        Without any view to judge the answer is UNKNOWN.
        """
        overview, readable = SceneOverview(), Readable(decision, self.item, data.strays)
        for item in data.items(SceneMeasurement):
            overview.add(item)
            readable.add(item)
        overview.close()
        questions = [Asking(question, gate, decision) for question in QUESTIONS]
        blame, cameras, side = Blame(gate), Cameras(gate, decision), SideViews(gate, decision)
        pairing, inputs, counts = Pairing(gate), Inputs(decision), ViewCounts(overview, decision)
        formats, bad, worst = Formats(), Count(), Worst()
        watchers = [*questions, blame, cameras, side, pairing, inputs, counts, formats, worst]
        for item in data.items(SceneMeasurement):
            finding = find(item, overview, gate)
            bad.add(item.path, finding.bad)
            for watcher in watchers:
                watcher.add(finding)  # type: ignore[attr-defined]
            each(finding)
        files = readable.check()
        lost = files.status is Status.NO_GO
        if not overview.expected_views:
            cause = Cause.UNREADABLE if lost else Cause.NONE
            return Judgement([files, nothing_to_judge(bad)], str(cause), worst.findings, len(data), bad.bad)
        cause = Cause.UNREADABLE if lost else blame.cause
        overall, more = bad_items(bad, decision, self.item)
        checks = [
            files,
            *[question.check(cause) for question in questions],
            cameras.check(worst.findings),
            *side.checks(),
            pairing.check(),
            view_variance(overview, pairing, gate),
            matches(data.closer, pairing),
            inputs.check(),
            *overview.twins.checks("input"),
            counts.check(),
            formats.check(),
            overall,
        ]
        return Judgement(checks, _named(cause, checks, bad), worst.findings, len(data), bad.bad, more)

    def look_closer(self, files: ItemFiles) -> int | None:
        """Inliers of a feature match between the input and its nearest view."""
        return nearest_view_inliers(files)

    def prediction_metrics(self, predictions: Path, references: Sequence[Path]) -> dict[str, float]:
        auc = geometry_auc(predictions, references)
        return {} if auc is None else {"geometry_auc": auc}

    def prediction_checks(self, metrics: Mapping[str, float], gate: ResultsGate) -> list[Check]:
        return [geometry_check(metrics["geometry_auc"], gate)] if "geometry_auc" in metrics else []

    def picture(self, item: MeasuredItem) -> Image.Image | None:
        return opened(Path(item.path) / INPUT)

    def sheet(self, judgement: Judgement, folders: Sequence[Path], out: Path) -> None:
        """A row for each scene: its input, and its views."""
        contact_sheet(folders, judgement, out)

    def distributions(self, gate: QualityGate) -> list[Distribution]:
        return views_distributions(gate)

    def draws(self, row: dict[str, Any]) -> bool:
        return bool(row["view"])  # inputs are what views are held against

    def rows(self, finding: Finding) -> Sequence[dict[str, Any]]:
        assert isinstance(finding, SceneFinding)
        return scene_rows(finding)


def _named(cause: Cause, checks: Sequence[Check], bad: Count) -> str:
    stopped = {check.id for check in checks if check.status is Status.NO_GO}
    if stopped == {"leakage"}:
        return str(Cause.LEAKAGE)
    return str(cause) if stopped or bad.bad else ""
