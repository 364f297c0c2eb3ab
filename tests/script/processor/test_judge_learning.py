"""One batch again and again: a loss that has little left to fall is no caution, one that stands still is."""

from __future__ import annotations

import pytest

from gonogo.script.processor.facts import LossSeries, Memorised, ProcessorFacts
from gonogo.script.processor.judge_learning import one_batch
from gonogo.verdict import Status


@pytest.mark.parametrize(("stands_at", "status"), [(0.0001, Status.GO), (0.3, Status.CAUTION)])
def test_little_left_to_fall(stands_at: float, status: Status) -> None:
    falling = [2.0 * 0.9**step + stands_at for step in range(60)]
    facts = ProcessorFacts(
        steps=60,
        losses=[LossSeries(where="train.py:1", steps=list(range(60)), values=list(falling))],
        memorised=Memorised(losses=[stands_at] * 24),
    )
    found = one_batch(facts)
    assert found is not None and found.check.status is status
