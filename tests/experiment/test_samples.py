"""What a generator makes, held against what it should make: the energy distance."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gonogo import Samples

COUNT = 256


def drawn(seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    sides = torch.randint(0, 2, (COUNT, 1), generator=random) * 4 - 2
    return sides + torch.randn(COUNT, 5, generator=random)


def skill(made: Tensor, real: Tensor) -> float:
    mean = real.double().mean(0)
    return 1 - float(Samples().errors(made, real).sum() / Samples().errors_of_mean(mean, real).sum())


@pytest.mark.parametrize(
    ("made", "low", "high"),
    [
        (drawn(1), 0.95, 1.05),
        (drawn(1).flip(0), 0.95, 1.05),  # in any order
        (drawn(1).abs(), -1.0, 0.7),  # one of two modes
        (drawn(0).mean(0).expand(COUNT, -1), -0.05, 0.05),
        (drawn(0)[:1].expand(COUNT, -1), -2.0, 0.0),  # all the same
        (drawn(1) + 3, -3.0, 0.0),
    ],
)
def test_only_the_right_distribution_has_all_skill(made: Tensor, low: float, high: float) -> None:
    assert low <= skill(made, drawn(0)) <= high


def test_variety_is_that_of_the_targets_or_none() -> None:
    real = drawn(0)
    assert Samples().variety(drawn(1), real) == pytest.approx(1, abs=0.1)
    assert Samples().variety(real[:1].expand(COUNT, -1), real) == 0
    assert Samples().variety(real, real[:1].expand(COUNT, -1)) is None


def test_a_batch_that_is_reproduced_leaves_nothing() -> None:
    real = drawn(0)[:16]
    assert Samples().remaining(real.flip(0), real) < 0.05
    assert Samples().remaining(real.mean(0).expand(16, -1), real) == pytest.approx(1)
