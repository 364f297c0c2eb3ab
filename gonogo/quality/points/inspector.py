"""Point clouds, and meshes by their vertices."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from pydantic import Field

from gonogo.config.quality_thresholds import PointsGate, QualityGate
from gonogo.quality.fault_counts import FaultGroup
from gonogo.quality.file_kind import FileInspector, Overview
from gonogo.quality.items import Fault, MeasuredItem
from gonogo.quality.left_out import METADATA
from gonogo.quality.points.clouds import SUFFIXES, read_cloud
from gonogo.quality.points.statistics import finite, measured, sampled

SPREAD = 4  # robust standard deviations of the set's counts: within, a count is as varied as the others
NEIGHBOURHOOD = 0.1  # of the set's usual flatness: below, a cloud is flat for its set
PICTURE = 256  # pixels, each projection
TAKES = re.compile(r"^(.+?)[-_. ](?:view|aug|copy|crop|part|rot|take|scan)[-_]?\d+$", re.IGNORECASE)


class PointItem(MeasuredItem):
    """What is measured of one cloud. Lengths are in the file's own unit."""

    points: int = 0
    not_finite: int = Field(default=0, description="points with a NaN, or a coordinate from 1e100; left out below")
    extent: list[float] = Field(default_factory=list, description="of the bounding box: x, y, z")
    size: float = Field(default=0, description="distance from the middle that 90 % of the points are within")
    far_ratio: float = Field(default=0, description="the furthest point's distance / size")
    flatness: float = Field(default=0, description="least spread / greatest, along the cloud's own axes")
    dimension: float | None = Field(
        default=None, description="of the cloud among nearest neighbours; None: a mesh, or few"
    )
    duplicates: float | None = Field(default=None, description="share of points at the place of another; None: a mesh")
    normal_error: float | None = Field(default=None, description="||n| - 1|, 99th percentile; None: no normals")
    colour_sigma: float | None = Field(default=None, description="of the most varied channel; None: no colours")
    faces: int = 0
    watertight: bool | None = None


class PointOverview(Overview):
    """Medians of the set; 25 bytes a cloud."""

    def __init__(self) -> None:
        super().__init__()
        self._counts, self._sizes, self._flatness = array("Q"), array("d"), array("d")
        self._meshes = 0
        self.count, self.size, self.flatness, self.expects_clouds = 0.0, 0.0, 0.0, True
        self.count_ratio = 1.0  # by how much counts differ by nature, from the median

    def add(self, item: MeasuredItem) -> None:
        super().add(item)
        assert isinstance(item, PointItem)
        if item.problems or not item.points:
            return
        self._counts.append(item.points)
        self._sizes.append(item.size)
        self._flatness.append(item.flatness)
        self._meshes += item.faces > 0

    def close(self) -> None:
        super().close()
        logs = np.log(np.asarray(self._counts, float)) if self._counts else np.zeros(1)
        # Rousseeuw and Croux, JASA 88 (1993): 1.4826 times the median deviation is σ of a normal distribution
        self.count_ratio = float(np.exp(SPREAD * 1.4826 * np.median(np.abs(logs - np.median(logs)))))
        self.expects_clouds = self._meshes <= len(self._counts) / 2
        self.count, self.size = _lower_median(self._counts), _lower_median(self._sizes)
        self.flatness = _lower_median(self._flatness)


class PointClouds(FileInspector):
    name, title, item = "points", "point clouds", "point cloud"
    Item: ClassVar[type[MeasuredItem]] = PointItem
    suffixes = SUFFIXES
    metadata = (*METADATA, ".mtl", ".png", ".jpg", ".jpeg")  # materials and textures

    def statistics(self, path: Path) -> dict[str, Any]:
        return measured(read_cloud(path))

    def overview(self) -> PointOverview:
        return PointOverview()

    def group(self, name: str) -> str:
        """`lamp_7` for `lamp_7_view3.ply`: several takes of one object are on one side of a split."""
        take = TAKES.match(Path(name).stem)
        return take[1] if take else ""

    def faults(self, item: PointItem, overview: PointOverview, gate: QualityGate) -> list[Fault]:
        return list(cloud_faults(item, overview, gate.points))

    def draw(self, item: PointItem) -> Image.Image:
        """From above and from the front, brighter where there are more points."""
        points = finite(sampled(read_cloud(Path(item.path)).points))
        return Image.fromarray(np.hstack([_projected(points, (0, 1)), _projected(points, (0, 2))]))

    def fault_groups(self, gate: QualityGate) -> Sequence[FaultGroup]:
        limits = gate.points
        return [
            FaultGroup(
                "points_present", "Points in every cloud", {"empty", "not_finite", "collapsed"},
                "no points, a point that is not finite, or most points at one place", "have no usable points",
                "Make these files again; look for an empty crop, or a division by zero.",
            ),
            FaultGroup(
                "point_count", "Number of points against the set's median", {"count"},
                f"off by more than {100 * limits.max_count_deviation:g} %, and by more than the set's counts differ",
                "have another number of points",
                "Sample the same number from every cloud, or raise `max_count_deviation` if it varies by nature.",
            ),
            FaultGroup(
                "extent", "Shape and size against the set", {"flat", "stray", "unit", "scale"},
                f"spread of an axis < {limits.min_flatness:g} of another's and of the set's, a point further than "
                f"{limits.max_far_ratio:g} sizes, or size > {limits.wrong_unit_ratio:g} times the median "
                f"(warns from {limits.max_scale_ratio:g})", "are flat, have stray points or another unit",
                "Look for millimetres among metres, a lost axis, and points at the sensor's origin or at infinity.",
            ),
            FaultGroup(
                "duplicate_points", "Points in exactly the same place", {"duplicates"},
                f"> {100 * limits.max_duplicates:g} % of a cloud's points", "repeat points",
                "Sample without replacement, or remove the copies.",
            ),
            FaultGroup(
                "normals", "Length of normals", {"normals"},
                f"||n| - 1| > {limits.max_normal_error:g} in more than 1 % of the points",
                "have normals that are not of length 1",
                "Normalise them; zero and NaN come from points without neighbours.",
            ),
            FaultGroup(
                "surface", "Surfaces, colours, and meshes among clouds", {"fills_space", "one_colour", "mesh", "open"},
                f"warnings only: points that fill space (a dimension over {limits.max_dimension:g}; a surface has 2), "
                "one colour, a mesh in a set of clouds, a mesh that is not watertight", "are odd",
                "Points that fill space are noise, or not samples of a surface. A mesh is judged by its vertices.",
            ),
        ]  # fmt: skip


def _lower_median(values: array) -> float:
    """A value that is really there: of two equally large halves, that of one of them."""
    return float(np.partition(values, (len(values) - 1) // 2)[(len(values) - 1) // 2]) if values else 0.0


def _projected(points: np.ndarray, axes: tuple[int, int]) -> np.ndarray:
    """(PICTURE, PICTURE) levels, both axes to one scale, up is up."""
    flat = points[:, axes]
    low, high = flat.min(axis=0), flat.max(axis=0)
    side = max(float((high - low).max()), 1e-12) * 1.05
    corner = (low + high - side) / 2
    counts, _, _ = np.histogram2d(flat[:, 0], flat[:, 1], PICTURE, np.stack([corner, corner + side], axis=1))
    levels = np.where(counts > 0, 90 + 165 * np.log1p(counts) / np.log1p(counts.max()), 16)
    return np.rint(levels.T[::-1]).astype(np.uint8)


def cloud_faults(item: PointItem, overview: PointOverview, limits: PointsGate) -> Iterator[Fault]:
    """The gravest first, so that it stands under the picture."""
    if item.points == 0:
        yield Fault("empty", "no points")
        return
    if item.not_finite:
        yield Fault("not_finite", f"{item.not_finite} points not finite")
    if item.size > 0:
        yield from _shape(item, overview, limits)
        yield from _points(item, overview, limits)
    elif item.not_finite < item.points:
        yield Fault("collapsed", "points at one place")  # 90 % of them


def _shape(item: PointItem, overview: PointOverview, limits: PointsGate) -> Iterator[Fault]:
    """Where the points are."""
    if item.flatness < min(limits.min_flatness, NEIGHBOURHOOD * overview.flatness):
        yield Fault("flat", f"flat {item.flatness:.1g}, others {overview.flatness:.2g}")
    if item.far_ratio > limits.max_far_ratio:
        yield Fault("stray", f"a point {item.far_ratio:.0f} sizes away")
    if overview.size > 0:
        ratio = item.size / overview.size
        off, size = max(ratio, 1 / ratio), f"size {ratio:.3g} of the median"
        if off > limits.wrong_unit_ratio:
            yield Fault("unit", size)
        elif off > limits.max_scale_ratio:
            yield Fault("scale", size, warns=True)


def _points(item: PointItem, overview: PointOverview, limits: PointsGate) -> Iterator[Fault]:
    """How many there are, and what each of them holds."""
    if overview.count:
        ratio = item.points / overview.count
        if abs(ratio - 1) > limits.max_count_deviation and max(ratio, 1 / ratio) > overview.count_ratio:
            # of a mesh every number of vertices can be right
            few = bool(item.faces) and overview.count_ratio > 1
            yield Fault("count", f"{item.points} points, median {overview.count:.0f}", warns=few)
    if item.duplicates is not None and item.duplicates > limits.max_duplicates:
        yield Fault("duplicates", f"duplicates {100 * item.duplicates:.1f} %")
    if item.normal_error is not None and item.normal_error > limits.max_normal_error:
        yield Fault("normals", f"|n| off by {item.normal_error:.2g}")
    if item.dimension is not None and item.dimension > limits.max_dimension:
        yield Fault("fills_space", f"fills space as noise does: dimension {item.dimension:.1f}", warns=True)
    if item.colour_sigma == 0:
        yield Fault("one_colour", "all of one colour", warns=True)
    if item.faces and overview.expects_clouds:
        yield Fault("mesh", f"a mesh, {item.faces} faces", warns=True)
    if item.watertight is False:
        yield Fault("open", "not watertight", warns=True)
