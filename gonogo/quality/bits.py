"""How many bits are set: what numpy 2 has as `bitwise_count`, for numpy 1.26 too."""

from __future__ import annotations

import numpy as np

_OF_BYTE = np.array([value.bit_count() for value in range(256)], np.uint8)


def bytewise_count(values: np.ndarray) -> np.ndarray:
    """Set bits of each unsigned integer, uint8 in the shape of `values`."""
    values = np.ascontiguousarray(values)
    each = _OF_BYTE[values.view(np.uint8)].reshape(*values.shape, values.dtype.itemsize)
    return each.sum(axis=-1, dtype=np.uint8)


bit_count = getattr(np, "bitwise_count", bytewise_count)
