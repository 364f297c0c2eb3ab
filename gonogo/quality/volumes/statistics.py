"""What is measured of a volume's voxels, in one pass over its slices."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from gonogo.quality.volumes.items import AIR_HU, BIN, BINS, LOWEST
from gonogo.quality.volumes.patches import cell_edges, pack_cells

if TYPE_CHECKING:
    from gonogo.quality.volumes.files import Volume

CELLS = 24  # of the grid of air shares, at most, along each axis
GLANCE = 12  # cells along either axis of a slice, by which it is compared with others
POINTS_A_CELL = 4  # along either axis, of which a cell's mean is taken
LEAST_CHANGE = 0.1  # between slices `FAR` apart, in σ of all cells
SPARSE = 0.005  # of a slice's voxels differ from the rest: as good as empty
AROUND = 6  # slices on either side, among whose differences one stands out
PADDING_BELOW = -1024  # HU; a scanner fills what it does not see with one value below air, often -2000 or -3024
FAR = 4  # slices apart are two that are compared, besides neighbours


class VolumeStatistics:
    """Fed with slices in their order; holds one of them at a time."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._type = np.dtype(np.float64 if volume.dtype.itemsize == 8 else np.float32)
        self._histogram = np.zeros(BINS, dtype=np.int64)
        self._low, self._high = math.inf, -math.inf
        self._voxels = self._nonfinite = self._saturated = self._padding = 0
        self._constant: list[bool] = []
        self._sparse: list[bool] = []  # of one value but for a few voxels
        self._glances: list[np.ndarray] = []
        self._repeated, self._before, self._hash = 0, b"", hashlib.blake2b(digest_size=16)
        self._extremes = _extremes(volume.dtype)
        self._solid = all(length == 1 for length in volume.shape[3:])
        shape = volume.shape[:3] + (1,) * (3 - len(volume.shape))
        order = [volume.axis, *(axis for axis in range(3) if axis != volume.axis)] if self._solid else [2, 0, 1]
        self._edges = [cell_edges(shape[axis], min(CELLS, shape[axis])) for axis in order]
        self._cells = np.zeros([len(edges) - 1 for edges in self._edges])

    def add(self, stored: np.ndarray) -> None:
        """One slice, as it is stored."""
        values: np.ndarray = stored.astype(self._type)
        if self._volume.slope != 1 or self._volume.inter != 0:
            values = values * self._volume.slope + self._volume.inter
        self._look_for_twin(stored)
        self._voxels += stored.size
        self._saturated += sum(int(np.count_nonzero(stored == extreme)) for extreme in self._extremes)
        finite = values
        if not np.isfinite(values).all():
            finite = values[np.isfinite(values)]
            self._nonfinite += values.size - finite.size
        if finite.size:
            self._count_padding(finite)
            self._low, self._high = min(self._low, float(finite.min())), max(self._high, float(finite.max()))
        bins = np.clip((finite - LOWEST) / BIN, 0, BINS - 1).astype(np.intp)
        self._histogram += np.bincount(bins.ravel(order="K"), minlength=BINS)
        if self._solid:
            self._add_air(values < AIR_HU)
            self._glances.append(_glance(values))

    def _count_padding(self, finite: np.ndarray) -> None:
        """Counts voxels at the least value so far, where it is below air."""
        low = float(finite.min())
        if low < self._low:
            self._padding = 0
        if low <= self._low and low < PADDING_BELOW:
            self._padding += int(np.count_nonzero(finite == low))

    def _look_for_twin(self, stored: np.ndarray) -> None:
        hashed = hashlib.blake2b(stored.tobytes(order="A"), digest_size=16).digest()
        others = int(np.count_nonzero(stored != stored.flat[0]))
        self._constant.append(others == 0)
        self._sparse.append(others <= SPARSE * stored.size)
        self._repeated += hashed == self._before and not self._constant[-1]
        self._before = hashed
        self._hash.update(hashed)

    def _add_air(self, air: np.ndarray) -> None:
        depth, rows, columns = self._edges
        at = int(np.searchsorted(depth, len(self._constant) - 1, side="right")) - 1
        by_row = np.add.reduceat(air.view(np.uint8), rows[:-1], axis=0, dtype=np.int32)
        self._cells[at] += np.add.reduceat(by_row, columns[:-1], axis=1)

    def result(self) -> dict[str, Any]:
        """Fields of VolumeItem."""
        varied = [number for number, sparse in enumerate(self._sparse) if not sparse]
        inner = self._constant[varied[0] : varied[-1]] if varied else []
        self._hash.update(repr((self._volume.shape, self._volume.dtype.str)).encode())
        seen = math.isfinite(self._low)
        return {
            "shape": list(self._volume.shape),
            "dtype": str(self._volume.dtype),
            "near": self._hash.hexdigest(),
            "voxels": self._voxels,
            "nonfinite": self._nonfinite,
            "low": self._low if seen else None,
            "high": self._high if seen else None,
            "saturated_share": self._saturated / max(self._voxels, 1),
            "padding_share": self._padding / max(self._voxels, 1),
            "slices": len(self._constant),
            "constant_slices": sum(self._constant),
            "hollow_slices": sum(inner),
            "repeated_slices": self._repeated,
            "slice_disorder": _disorder(self._glances),
            **_jump(self._glances),
            "histogram": self._histogram.tolist(),
            "air_cells": self._packed_cells(),
        }

    def _packed_cells(self) -> str:
        depth, rows, columns = map(np.diff, self._edges)
        cells = self._cells / (depth[:, None, None] * rows[:, None] * columns)
        return pack_cells(np.moveaxis(cells, 0, self._volume.axis)) if self._solid else ""


def _glance(values: np.ndarray) -> np.ndarray:
    """A slice's means over a coarse grid of points, (cells,); 0 where it is not finite."""
    values = values.reshape(values.shape[0], -1)  # whatever axes of length 1 it has
    step = [max(1, length // (GLANCE * POINTS_A_CELL)) for length in values.shape]
    points = np.nan_to_num(values[tuple(slice(None, None, one) for one in step)], nan=0, posinf=0, neginf=0)
    rows, columns = (cell_edges(length, min(GLANCE, length)) for length in points.shape)
    sums = np.add.reduceat(np.add.reduceat(points, rows[:-1], axis=0), columns[:-1], axis=1)
    return (sums / (np.diff(rows)[:, None] * np.diff(columns))).ravel()


def _disorder(glances: list[np.ndarray]) -> float | None:
    """How much neighbouring slices differ, over slices `FAR` apart: 1 for slices in no order.

    None where that says nothing: few slices, or all alike, as in a phantom that is the same from end to end.
    """
    if len(glances) < 3 * FAR or len({one.shape for one in glances}) > 1:
        return None
    cells = np.stack(glances).astype(np.float64)
    near, far = (float(np.abs(cells[step:] - cells[:-step]).mean()) for step in (1, FAR))
    return near / far if far > LEAST_CHANGE * float(cells.std()) else None


def _jump(glances: list[np.ndarray]) -> dict[str, Any]:
    """Where neighbouring slices differ most beside those around them: where some are missing in between."""
    if len(glances) < 4 * AROUND or len({one.shape for one in glances}) > 1:
        return {}
    cells = np.stack(glances).astype(np.float64)
    steps = np.abs(np.diff(cells, axis=0)).mean(axis=1)
    least = LEAST_CHANGE * float(cells.std())
    ratios = np.zeros(len(steps))
    for at in range(AROUND, len(steps) - AROUND):
        around = np.r_[steps[at - AROUND : at], steps[at + 1 : at + 1 + AROUND]]
        ratios[at] = steps[at] / max(float(around.max()), 1e-30) if steps[at] > least else 0.0
    at = int(np.argmax(ratios))
    return {"jump": float(ratios[at]), "jump_at": at + 1}


def _extremes(dtype: np.dtype) -> list[int]:
    """Stored values at which an integer type ends; an unsigned type's zero is as good as any."""
    if dtype.kind not in "iu":
        return []
    limits = np.iinfo(dtype)
    return [limits.max] if dtype.kind == "u" else [limits.min, limits.max]
