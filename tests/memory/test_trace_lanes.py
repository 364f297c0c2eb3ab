from __future__ import annotations

import os

import pytest

from gonogo.config.experiment import Training
from gonogo.memory.estimate import MemoryEstimate
from gonogo.memory.plan_search import Options
from gonogo.memory.trace_lanes import TraceLanes

PLAN = Training(micro_batch_size=2, accumulate_grad_batches=1)


def by(training: Training, options: Options, plain: bool) -> MemoryEstimate:
    """Says who computed it."""
    if options.get("dies") and os.getpid() != HERE:
        os._exit(1)
    return MemoryEstimate(
        micro_batch_size=training.micro_batch_size, accumulate_grad_batches=1, precision="32-true",
        error=str(os.getpid()), parameters=len(options) + plain,
    )  # fmt: skip


HERE = os.getpid()


@pytest.fixture
def lanes() -> TraceLanes:
    return TraceLanes(by, 1)


def test_what_was_begun_is_computed_in_another_process_and_the_rest_here(lanes: TraceLanes) -> None:
    lanes.begin(PLAN, {"a": 1})
    assert lanes.result(PLAN, {"b": 1, "c": 2}).error == str(os.getpid())
    found = lanes.result(PLAN, {"a": 1})
    assert found.error != str(os.getpid()) and found.parameters == 1
    assert lanes.result(PLAN, {"a": 1}, plain=True).parameters == 2


def test_a_process_that_dies_costs_time_and_no_answer(lanes: TraceLanes) -> None:
    lanes.begin(PLAN, {"dies": True})
    lanes.begin(PLAN, {"a": 1})
    assert lanes.result(PLAN, {"dies": True}).error == lanes.result(PLAN, {"a": 1}).error == str(os.getpid())


def test_without_lanes_all_is_computed_here() -> None:
    lanes = TraceLanes(by, 0)
    lanes.begin(PLAN, {"a": 1})
    assert lanes.result(PLAN, {"a": 1}).error == str(os.getpid())
