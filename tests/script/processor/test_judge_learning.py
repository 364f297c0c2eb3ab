"""One batch again and again: a loss that has little left to fall is no caution, one that stands still is."""

from __future__ import annotations

import numpy as np
import pytest

from gonogo.config.gate_thresholds import LearningGate
from gonogo.script.processor.facts import LossSeries, Memorised, ProcessorFacts
from gonogo.script.processor.judge_learning import falls, one_batch, stable
from gonogo.verdict import Status


@pytest.mark.parametrize(("stands_at", "status"), [(0.0001, Status.GO), (0.3, Status.CAUTION)])
def test_little_left_to_fall(stands_at: float, status: Status) -> None:
    falling = [2.0 * 0.9**step + stands_at for step in range(60)]
    facts = ProcessorFacts(
        steps=60,
        losses=[LossSeries(where="train.py:1", steps=list(range(60)), values=list(falling))],
        memorised=Memorised(losses=[stands_at] * 24),
    )
    found = one_batch(facts, LearningGate())
    assert found is not None and found.check.status is status


@pytest.mark.parametrize(
    ("one_batch_losses", "status"),
    [
        ([0.2, 0.05, 0.3, 0.1, 0.33, 0.12, 0.3], Status.CAUTION),
        ([0.2 + 0.01 * n for n in range(8)], Status.NO_GO),
    ],
)
def test_numbers_that_cannot_be_repeated_tell_less(one_batch_losses: list[float], status: Status) -> None:
    """A diffusion model draws its noise: the loss of one batch jumps, and says nothing about the run."""
    noisy = [0.14, 0.25, 0.03, 0.3, 0.29, 0.37, 0.2, 0.25, 0.13, 0.35, 0.21, 0.08, 0.13, 0.29, 0.13, 0.3]
    facts = ProcessorFacts(
        steps=16,
        losses=[LossSeries(where="train.py:1", steps=list(range(16)), values=list(noisy))],
        memorised=Memorised(losses=list(one_batch_losses)),
    )
    found = falls(facts, LearningGate())
    assert found is not None and found.check.status is status


@pytest.mark.parametrize(("end", "status"), [(2.8, Status.NO_GO), (2.3, Status.GO), (1.9, Status.GO)])
def test_a_loss_that_fell_and_rises_again_while_the_rate_warms_up(end: float, status: Status) -> None:
    for seed in range(8):
        noise = np.random.default_rng(seed).normal(0, 0.12, 160)
        course = np.interp(range(160), [0, 15, 60, 160], [3.2, 2.3, 2.2, end]) + noise
        series = LossSeries(where="train.py:1", steps=list(range(160)), values=course.tolist())
        facts = ProcessorFacts(
            steps=160, losses=[series], memorised=Memorised(losses=[2.0 - 0.01 * n for n in range(24)])
        )
        found = stable(facts, LearningGate())
        assert found is not None and found.check.status is status
        assert status is Status.GO or "rose again" in found.check.why
