"""Targets that do not belong to their inputs, where the loss falls none the less: to the frequencies of the classes."""

from __future__ import annotations

import pytest

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.loss_calls import LossCall
from gonogo.script.processor.facts import DataFacts, LossSeries, ProcessorFacts
from gonogo.script.processor.judge_data import pairing
from gonogo.verdict import Status


@pytest.mark.parametrize(
    ("end", "p", "pairs", "masks", "status"),
    [
        (1.39, 0.5, 300, False, Status.NO_GO),  # ln 4: a head of 1,000 classes has learned which four there are
        (0.7, 0.5, 300, False, Status.GO),
        (1.39, 0.5, 60, False, Status.GO),
        (1.39, 0.004, 300, False, Status.GO),
        (0.7, 0.5, 60, True, Status.NO_GO),
        (0.7, 0.004, 60, True, Status.GO),
    ],
)
def test_a_loss_that_falls_to_the_frequencies_is_no_proof(
    end: float, p: float, pairs: int, masks: bool, status: Status
) -> None:
    values = [end + (6.9 - end) * 0.8**step for step in range(60)]
    call = LossCall(function="cross_entropy", calls=60, classes=1000, values=values)
    call.class_counts = {str(number): 75 for number in range(4)}
    facts = ProcessorFacts(
        steps=60,
        losses=[LossSeries(where="train.py:1", steps=list(range(60)), values=list(values))],
        loss_calls=[call],
        data=DataFacts(independence_p=p, pairs=pairs, masks=masks),
    )
    found = pairing(facts, LearningGate())
    assert found is not None and found.check.status is status
    assert status is Status.GO or "frequencies" in found.check.why or masks
