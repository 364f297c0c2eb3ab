"""What tells pictures and signals from noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gonogo.learning.features import autocorrelation, content_hash, row_hashes
from tests.learning.fixtures import pictures


@pytest.fixture(scope="module")
def crops() -> tuple[np.ndarray, np.ndarray]:
    return pictures(260, np.random.default_rng(3))


def test_noise_has_no_autocorrelation(crops: tuple[np.ndarray, np.ndarray]) -> None:
    natural = torch.from_numpy(crops[0])
    mixed = natural.flatten()[torch.randperm(natural.numel(), generator=torch.Generator().manual_seed(0))].view_as(
        natural
    )
    assert (autocorrelation(natural) or 0) > 0.6 and abs(autocorrelation(mixed) or 0) < 0.05
    assert autocorrelation(natural.flatten(1)) is None


def test_hashes_of_rows_are_those_of_each_sample() -> None:
    values = [torch.randn(5, 3, 4), torch.arange(5), torch.randn(5, 7).bfloat16(), torch.rand(5, 2) > 0.5]
    assert row_hashes(*values) == [content_hash(*(one[i] for one in values)) for i in range(5)]
