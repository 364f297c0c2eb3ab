from __future__ import annotations

import numpy as np
import pytest

from tests.learning.fixtures import pictures


@pytest.fixture(scope="module")
def crops() -> tuple[np.ndarray, np.ndarray]:
    return pictures(260, np.random.default_rng(3))
