"""A table for machines: every statistic of every view, worst first."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from gonogo.files import replacing
from gonogo.quality.findings import SceneFinding, ViewFinding
from gonogo.quality.judge import Judgement
from gonogo.quality.measurements import PICTURE, PixelStatistics

STATISTICS = list(PixelStatistics.model_fields)
COLUMNS = [
    *("path", "scene", "view", "scene_bad", "faults", "reasons"),
    *("angle_deg", "rendered_share", "visible_points_share", "cloud_frame_share", "cloud_off_axis_deg"),
    *("nearer_than_others", "thumbnail_difference", "dhash_bits", "identical_to"),
    *("sha256", "width", "height", "mode"),
    *STATISTICS,
    *[f"input_{name}" for name in STATISTICS],
]


def write_items(judgement: Judgement, out: Path) -> None:
    """CSV of one row a view, scenes as in `judgement.scenes`, views with most faults first; written whole."""
    with replacing(out) as temporary, temporary.open("w", newline="") as stream:
        table = csv.DictWriter(stream, COLUMNS, restval="")
        table.writeheader()
        for scene in judgement.scenes:
            for view in sorted(scene.views, key=lambda view: -len(view.faults)):
                table.writerow(_row(scene, view))


def _row(scene: SceneFinding, view: ViewFinding) -> dict[str, Any]:
    measured, picture = view.measured, view.measured.picture
    row: dict[str, Any] = {
        "path": f"{scene.folder}/{view.path}/{PICTURE}",
        "scene": scene.name,
        "view": measured.name,
        "scene_bad": scene.bad,
        "faults": " ".join(fault.id for fault in view.faults),
        "reasons": "; ".join(fault.reason for fault in view.faults),
        **measured.model_dump(include=set(COLUMNS)),
        **picture.model_dump(include=set(COLUMNS)),
    }
    if measured.pair:
        row |= measured.pair.model_dump()
    if picture.pixels:
        row |= picture.pixels.model_dump()
    if view.source:
        row |= {f"input_{name}": value for name, value in view.source.model_dump().items()}
    return {key: round(value, 6) if isinstance(value, float) else value for key, value in row.items()}
