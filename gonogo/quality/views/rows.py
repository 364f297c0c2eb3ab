"""A scene's rows of the table: one for the input, one for each view."""

from __future__ import annotations

from typing import Any

from gonogo.base.mappings import flat
from gonogo.quality.pictures.measurements import PairStatistics, PixelStatistics
from gonogo.quality.table import row_head
from gonogo.quality.views.findings import SceneFinding, ViewFinding
from gonogo.quality.views.measurements import INPUT, PICTURE
from gonogo.quality.views.pairs import brightness_ratio

OF_A_VIEW = ("angle_deg", "rendered_share", "visible_points_share", "cloud_frame_share", "cloud_off_axis_deg")


def scene_rows(scene: SceneFinding) -> list[dict[str, Any]]:
    """A row for the input, and one for each view."""
    rows = [{**row_head(f"{scene.item.path}/{INPUT}", scene.faults), **_values(scene, None)}]
    for view in scene.views:
        path = f"{scene.folder}/{view.path}/{PICTURE}"
        rows.append({**row_head(path, view.faults), **_values(scene, view)})
    return rows


def _values(scene: SceneFinding, view: ViewFinding | None) -> dict[str, Any]:
    """The same columns for an input as for a view; those that it has not are empty."""
    item, measured = scene.item, view.measured if view else None
    picture, pair = (measured.picture, measured.pair) if measured else (item.input, None)
    values: dict[str, Any] = {
        "scene": item.name,
        "view": measured.name if measured else "",
        "scene_bad": scene.bad,
        "split": item.split,
        "group": item.group,
        **{name: getattr(measured, name, None) for name in OF_A_VIEW},
        "nearer_than_others": view.nearer if view else None,
        "identical_to": view.identical_to if view else "",
        **_ratios(view.source if view else None, picture.pixels),
        **(pair.model_dump() if pair else dict.fromkeys(PairStatistics.model_fields)),
        **picture.model_dump(exclude={"pixels", "thumbnail"}),
        **_pixels(picture.pixels),
        **_pixels(view.source if view else None, "input_"),
    }
    return flat(values)


def _ratios(x: PixelStatistics | None, y: PixelStatistics | None) -> dict[str, float | None]:
    """Of the view, against its input."""
    if x is None or y is None:
        return {"brightness_ratio": None, "coverage_ratio": None}
    return {
        "brightness_ratio": brightness_ratio(x, y),
        "coverage_ratio": y.coverage / x.coverage if x.coverage else None,
    }


def _pixels(statistics: PixelStatistics | None, prefix: str = "") -> dict[str, Any]:
    return {prefix + name: getattr(statistics, name, None) for name in PixelStatistics.model_fields}
