"""The figures of one point cloud, in as much memory for a large one as for a small one."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from gonogo.quality.points.clouds import Cloud

SAMPLE = 200_000  # points that the costly figures are taken from
ROWS = 1 << 18  # points in memory at once, of those that stay on disk
ASKED, NEIGHBOURS_AMONG, NEIGHBOURS = 256, 8192, 12  # points whose neighbours are looked for, among how many, how many
FEWEST_FOR_DIMENSION = 500  # points
LARGEST = 1e100  # a coordinate beyond is garbage, and its square would overflow


def measured(cloud: Cloud) -> dict[str, Any]:
    """The figures of `gonogo.quality.points.inspector.PointItem`.

    Count, bounds, duplicates and the furthest point are of all points, the rest of at most `SAMPLE`, always the same.
    """
    points = cloud.points
    fields: dict[str, Any] = {"points": len(points), "faces": cloud.faces, "watertight": cloud.watertight}
    sample = finite(sampled(points))
    if not len(sample):
        return fields | {"not_finite": len(points)}
    middle = np.median(sample, axis=0)
    away = np.linalg.norm(sample - middle, axis=1)
    size = float(np.quantile(away, 0.9))
    least, most, furthest, not_finite = np.full(3, np.inf), np.full(3, -np.inf), 0.0, 0
    keys: list[np.ndarray] = []
    total, every = np.zeros(2, np.uint64), max(1, len(points) // SAMPLE)
    for start in range(0, len(points), ROWS):
        rows = np.asarray(points[start : start + ROWS], np.float64)
        good = finite(rows)
        not_finite += len(rows) - len(good)
        if not len(good):
            continue
        least, most = np.minimum(least, good.min(axis=0)), np.maximum(most, good.max(axis=0))
        furthest = max(furthest, float(np.linalg.norm(good - middle, axis=1).max()))
        hashed = _row_hashes(good)
        keys.append(hashed[hashed % np.uint64(every) == 0])  # every copy of a point, or none: the share stays
        total += [hashed.sum(dtype=np.uint64), (hashed * hashed).sum(dtype=np.uint64)]
    hashes = np.concatenate(keys)
    repeated = 1 - len(np.unique(hashes)) / len(hashes) if len(hashes) else 0.0
    return fields | {
        "near": hashlib.sha256(total.tobytes()).hexdigest()[:32],  # of the points, in any order and format
        "not_finite": not_finite,
        "extent": (most - least).tolist(),
        "size": size,
        "far_ratio": furthest / size if size > 0 else 0.0,
        "flatness": _flatness(sample - middle),
        "dimension": None if cloud.faces else _dimension(sample - middle),
        "duplicates": None if cloud.faces else repeated,
        "normal_error": _normal_error(cloud.normals),
        "colour_sigma": _colour_sigma(cloud.colours),
    }


def sampled(rows: np.ndarray) -> np.ndarray:
    """(n, C) float64, at most `SAMPLE` of them, the same ones each time."""
    if len(rows) > SAMPLE:
        rows = rows[np.unique(np.random.default_rng(0).integers(0, len(rows), SAMPLE))]
    return np.asarray(rows, np.float64)


def finite(rows: np.ndarray) -> np.ndarray:
    """The rows of finite numbers that are small enough to compute with."""
    return rows[(np.abs(rows) < LARGEST).all(axis=1)]


def _row_hashes(points: np.ndarray) -> np.ndarray:
    """(N,) uint64 of (N, 3) float64: each coordinate mixed in turn (splitmix64, Steele et al., OOPSLA 2014)."""
    bits = np.ascontiguousarray(points + 0.0).view(np.uint64)  # -0.0 is 0.0
    hashed = np.zeros(len(points), np.uint64)
    for axis in range(3):
        mixed = hashed + bits[:, axis] + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        hashed = mixed ^ (mixed >> np.uint64(31))
    return hashed


def _flatness(centred: np.ndarray) -> float:
    spread = np.sqrt(np.clip(np.linalg.eigvalsh(np.cov(centred.T, bias=True)), 0, None))
    return float(spread[0] / spread[2]) if spread[2] > 0 else 0.0


def _dimension(points: np.ndarray) -> float | None:
    """How the number of neighbours grows with their distance: 2 on a surface, 3 where points (centred) fill space.

    Levina and Bickel, Maximum Likelihood Estimation of Intrinsic Dimension (NIPS 2004), averaged as MacKay and
    Ghahramani (2005) say. None for few points.
    """
    points = np.unique(points, axis=0)
    if len(points) < FEWEST_FOR_DIMENSION:
        return None
    rng = np.random.default_rng(0)
    points = points[rng.permutation(len(points))[:NEIGHBOURS_AMONG]]
    asked = points[:ASKED]
    squares = (asked**2).sum(1)[:, None] + (points**2).sum(1) - 2 * asked @ points.T
    # sorted before the point itself is dropped: np.partition leaves the least in an order that depends on the CPU
    nearest = np.sort(np.partition(squares, NEIGHBOURS, axis=1)[:, : NEIGHBOURS + 1], axis=1)[:, 1:]
    logarithms = np.log(np.maximum(nearest, 1e-300)) / 2
    return float(1 / (logarithms[:, -1:] - logarithms[:, :-1]).mean())


def _normal_error(normals: np.ndarray | None) -> float | None:
    if normals is None or not len(normals):
        return None
    errors = np.abs(np.linalg.norm(sampled(normals), axis=1) - 1)
    return float(np.quantile(np.nan_to_num(errors, nan=1e6, posinf=1e6).clip(max=1e6), 0.99))


def _colour_sigma(colours: np.ndarray | None) -> float | None:
    if colours is None or not len(colours):
        return None
    return float(np.nan_to_num(sampled(colours)).std(axis=0).max())
