from __future__ import annotations

import numpy as np
import pytest

from gonogo.quality.bits import bit_count, bytewise_count


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64])
def test_both_ways_count_the_bits_that_python_counts(dtype: type[np.unsignedinteger]) -> None:
    values = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (7, 2), dtype=dtype, endpoint=True)
    values[0] = 0, np.iinfo(dtype).max
    expected = [[int(value).bit_count() for value in row] for row in values]
    assert bytewise_count(values).tolist() == bit_count(values).tolist() == expected
    assert bytewise_count(values[:0]).shape == (0, 2)
