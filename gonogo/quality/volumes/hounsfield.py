"""Whether CT values are Hounsfield units, and if not, what became of them."""

from __future__ import annotations

import numpy as np

from gonogo.quality.volumes.items import AIR_HU, BIN, LOWEST, VolumeItem
from gonogo.quality.wording import number

LEAST_AIR = 0.001  # share of voxels below AIR_HU: less, and nothing of the scanner's air is left
RESCALE_INTERCEPT = (800, 1250)  # between air and tissue where only the intercept of -1000 or -1024 is missing
TISSUE_HU = (-200, 300)  # where a body has most of its voxels, from fat to contrast-filled organs
UNEXPLAINED = ", none below 0: no Hounsfield units; the rescale slope or intercept is lost"
WRAPPED = 61440  # 16-bit values above are negatives down to -4096


def not_hounsfield(item: VolumeItem, low: float, high: float) -> str:
    """Why the values cannot be Hounsfield units, and what they look like; empty where they can."""
    between = f"values {number(low)} to {number(high)}"
    if low >= -1.01 and high <= 1.01:
        return f"{between}: squeezed into {'0 to 1' if low >= 0 else '-1 to 1'}"
    if low >= 0:
        return f"{between}{_without_negatives(item, high)}"
    if item.air_share < LEAST_AIR:
        return f"{between}, no air at -1000: clipped to a window, or shifted"
    tissue = _mode(item, AIR_HU, 3072)
    if tissue is not None and not TISSUE_HU[0] <= tissue <= TISSUE_HU[1]:
        return f"{between}, most tissue at {number(tissue)} (water is 0): the rescale slope or intercept is lost"
    return ""


def foreign_values(item: VolumeItem) -> bool:
    """Whether no voxel is negative, and nothing shows that the values once were Hounsfield units."""
    return bool(item.low is not None and item.low >= 0 and item.high is not None) and _without_negatives(
        item, item.high or 0.0
    ).endswith(UNEXPLAINED)


def _without_negatives(item: VolumeItem, high: float) -> str:
    if high <= 255:
        return ": squeezed into 0 to 255"
    if high > WRAPPED and item.dtype == "uint16":
        return f": negatives wrapped around, {number(high)} was {number(high - 65536)} HU"
    air, tissue = _mode(item, 0, 512), _mode(item, 512, 2048)
    if air is None or tissue is None or not RESCALE_INTERCEPT[0] <= tissue - air <= RESCALE_INTERCEPT[1]:
        return UNEXPLAINED
    return f": air at {number(air)}, tissue at {number(tissue)}: the rescale intercept is lost"


def _mode(item: VolumeItem, above: float, below: float) -> float | None:
    """Middle of the fullest bin between two values; None for no voxels there."""
    first, last = (round((bound - LOWEST) / BIN) for bound in (above, below))
    counts = item.histogram[first:last]
    return LOWEST + (first + int(np.argmax(counts)) + 0.5) * BIN if any(counts) else None
