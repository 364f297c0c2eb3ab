"""DeepCAD's JSON (sketches and extrusions) → programs of boxes and upright cylinders on the grid.

The format: Wu, Xiao, Zheng, DeepCAD: A Deep Generative Network for Computer-Aided Design Models, ICCV 2021.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from experiments.cad_mllm.program import LARGEST, Operation, built, written

MODES: dict[str, Literal["add", "cut"]] = {
    "NewBodyFeatureOperation": "add", "JoinFeatureOperation": "add", "CutFeatureOperation": "cut",
}  # fmt: skip
FLAT = 1e-6  # of a unit vector's entry: below, it points along no other axis
ALIKE = 1e-4  # of a profile's size: closer corners are the same


@dataclass(frozen=True)
class Solid:
    """A box, or a cylinder along z, in the file's units.

    Attributes:
        low, high: (3,) corners of what encloses it.
    """

    mode: Literal["add", "cut"]
    solid: Literal["box", "cyl"]
    low: np.ndarray
    high: np.ndarray


def program_of(model: Mapping[str, Any]) -> str:
    """The program, its longest side scaled to the grid.

    Raises:
        ValueError: it holds what boxes and upright cylinders cannot say, or is no such file; says what.
    """
    try:
        solids = list(_solids(model))
    except (KeyError, TypeError, AttributeError, IndexError, ArithmeticError) as error:
        raise ValueError(f"not DeepCAD's JSON: {type(error).__name__}: {error}") from None
    if not solids or solids[0].mode == "cut":
        raise ValueError("it adds nothing")
    if not all(np.isfinite([solid.low, solid.high]).all() for solid in solids):
        raise ValueError("a length that is not finite")
    added = [solid for solid in solids if solid.mode == "add"]
    low = np.min([solid.low for solid in added], axis=0)
    scale = LARGEST / max(float((np.max([solid.high for solid in added], axis=0) - low).max()), 1e-12)
    operations = [_on_grid(solid, low, scale) for solid in solids]
    built(operations)
    return written(operations)


def _solids(model: Mapping[str, Any]) -> Iterator[Solid]:
    entities = model["entities"]
    for step in model["sequence"]:
        feature = entities[step["entity"]]
        if feature["type"] == "Sketch":
            continue
        if feature["type"] != "ExtrudeFeature":
            raise ValueError(f"a {feature['type']}")
        if feature["operation"] not in MODES:
            raise ValueError(f"an operation {feature['operation'].removesuffix('FeatureOperation')}")
        mode = MODES[feature["operation"]]
        start, end = _extent(feature)
        holes: list[Solid] = []
        for named in feature["profiles"]:
            sketch = entities[named["sketch"]]
            for loop in sketch["profiles"][named["profile"]]["loops"]:
                solid = _extruded(loop["profile_curves"], sketch["transform"], start, end, mode)
                if loop["is_outer"]:
                    yield solid
                elif mode == "add":
                    holes.append(Solid("cut", solid.solid, solid.low, solid.high))
                else:
                    raise ValueError("a cut with an island in it")
        yield from holes


def _extent(feature: Mapping[str, Any]) -> tuple[float, float]:
    """From where to where, along the sketch's normal."""
    for side in ("extent_one", "extent_two"):
        if abs(float(feature.get(side, {}).get("taper_angle", {}).get("value", 0))) > FLAT:
            raise ValueError("a tapered extrusion")
    first = float(feature["extent_one"]["distance"]["value"])
    kind = feature["extent_type"]
    if kind.startswith("Symmetric"):
        return -first / 2, first / 2
    second = float(feature["extent_two"]["distance"]["value"]) if kind.startswith("TwoSides") else 0.0
    return min(first, -second), max(first, -second)


def _extruded(
    curves: Sequence[Mapping[str, Any]], transform: Mapping[str, Any], start: float, end: float, mode: Any
) -> Solid:
    axes = np.array([_vector(transform[f"{name}_axis"]) for name in "xyz"])
    if not ((np.abs(axes) < FLAT) | (np.abs(np.abs(axes) - 1) < FLAT)).all():
        raise ValueError("a sketch on an inclined plane")
    kinds = {curve["type"] for curve in curves}
    if kinds == {"Circle3D"} and len(curves) == 1:
        if abs(axes[2, 2]) < 0.5:
            raise ValueError("a horizontal cylinder")
        centre, radius = _vector(curves[0]["center_point"])[:2], float(curves[0]["radius"])
        flat, solid = np.array([centre - radius, centre + radius]), "cyl"
    elif kinds == {"Line3D"}:
        flat, solid = _rectangle(curves), "box"
    else:
        raise ValueError(f"a profile of {' and '.join(sorted(kind.removesuffix('3D').lower() for kind in kinds))}s")
    corners = np.array([[*corner, height] for corner in flat for height in (start, end)]) @ axes
    corners = corners + _vector(transform["origin"])
    return Solid(mode, solid, corners.min(axis=0), corners.max(axis=0))  # type: ignore[arg-type]


def _rectangle(curves: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Two opposite corners (2, 2)."""
    points = np.array([_vector(curve[end])[:2] for curve in curves for end in ("start_point", "end_point")])
    low, high = points.min(axis=0), points.max(axis=0)
    near = ALIKE * float((high - low).max())
    at_edges = (np.abs(points - low) <= near) | (np.abs(points - high) <= near)
    if len(curves) != 4 or not at_edges.all():
        raise ValueError("a polygon that is not a rectangle")
    return np.array([low, high])


def _vector(said: Mapping[str, float]) -> np.ndarray:
    return np.array([float(said[name]) for name in "xyz"])


def _on_grid(solid: Solid, origin: np.ndarray, scale: float) -> Operation:
    low, high = (np.rint((corner - origin) * scale).clip(0, LARGEST).astype(int) for corner in (solid.low, solid.high))
    if (high <= low).any():
        raise ValueError(f"a part of it is thinner than 1/{LARGEST} of the whole")
    if solid.solid == "box":
        return Operation(solid.mode, "box", (*low.tolist(), *(high - low).tolist()))
    centre = np.rint(((solid.low + solid.high) / 2 - origin) * scale).astype(int)
    radius = int(np.rint((solid.high - solid.low)[0] * scale / 2))
    if radius < 1:
        raise ValueError(f"a part of it is thinner than 1/{LARGEST} of the whole")
    return Operation(solid.mode, "cyl", (int(centre[0]), int(centre[1]), int(low[2]), radius, int(high[2] - low[2])))
