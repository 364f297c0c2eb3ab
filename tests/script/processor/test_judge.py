"""The judge alone, on facts that no script need be run for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.watch_loss_calls import LossCallWatch
from gonogo.script.learning_gate import Measurements
from gonogo.script.learning_gate import judge as judge_gate
from gonogo.script.processor.facts import (
    DataFacts,
    LossCall,
    LossSeries,
    Memorised,
    NotLearning,
    OptimizerFacts,
    ParameterFacts,
    ProcessorFacts,
    SeenError,
    TensorFacts,
    Timing,
)
from gonogo.script.processor.judge import judge
from gonogo.verdict import Check, Status


class Anywhere:
    """Training that is watched, at one line."""

    in_backward, watching = False, True

    def where(self) -> str:
        return "train.py:9"

    def guard(self, watcher: str, look: Any, *args: Any) -> Any:
        return look(*args)


def facts(**more: object) -> ProcessorFacts:
    """Of a healthy run of forty steps, but for what is given."""
    losses = LossSeries(where="train.py:9", steps=list(range(40)), values=[2.0 - 0.03 * step for step in range(40)])
    optimizer = OptimizerFacts(
        name="Adam", where="train.py:10", steps=40, windows=39, learning_rates=[1e-3] * 40, norms=[1.0] * 40,
        changes=[1e-3] * 40, backwards_per_step=1,
    )  # fmt: skip
    whole = ProcessorFacts(ending="enough", steps=40, losses=[losses], optimizers=[optimizer])
    return whole.model_copy(update=more)


def stopped(found: ProcessorFacts) -> list[Check]:
    parts = judge(found)
    return [check for check in (*parts.data, *parts.wiring, *parts.learning) if check.status is Status.NO_GO]


def test_a_healthy_run_is_not_stopped() -> None:
    assert stopped(facts()) == [] and judge(facts()).cause == ""


def test_weights_that_stand_still_at_an_end_that_was_found_or_while_warming_up_are_no_fault() -> None:
    for changes in ([1e-3] * 10 + [0.0] * 30, [0.0] * 10 + [1e-3] * 30):
        optimizer = facts().optimizers[0].model_copy(update={"changes": changes})
        assert stopped(facts(optimizers=[optimizer])) == []
    still = facts().optimizers[0].model_copy(update={"changes": [1e-9] * 40})
    assert [check.id for check in stopped(facts(optimizers=[still]))] == ["weight_change"]


def test_a_loss_of_one_batch_that_falls_slowly_but_at_every_step_is_no_fault() -> None:
    flat = LossSeries(where="train.py:9", steps=list(range(40)), values=[2.0 + 0.1 * (step % 3) for step in range(40)])
    slow = Memorised(losses=[2.0 - 1e-4 * step for step in range(24)])
    assert stopped(facts(losses=[flat], memorised=slow)) == []
    still = Memorised(losses=[2.0] * 24)
    assert {check.id for check in stopped(facts(losses=[flat], memorised=still))} == {"one_batch", "loss_falls"}


def test_few_steps_tell_less_of_a_loss_that_rose() -> None:
    rising = [1.0, 1.2, 9.0, 14.0, 16.0, 13.0, 15.0, 16.0]
    few = LossSeries(where="train.py:9", steps=list(range(8)), values=list(rising))
    assert stopped(facts(losses=[few])) == []
    many = LossSeries(where="train.py:9", steps=list(range(40)), values=[*rising, *[15.0, 16.0] * 16])
    assert judge(facts(losses=[many])).cause == "DIVERGING"


def test_a_batch_of_several_parts_that_comes_again_and_again_is_seen() -> None:
    of_three = DataFacts(batches=120, distinct_batches=3)
    checks = {check.id: check for check in judge(facts(data=of_three)).data}
    assert checks["same_batch"].status is Status.CAUTION and "3 different batches in 120" in checks["same_batch"].why
    drawn = DataFacts(batches=120, distinct_batches=4)
    checks = {check.id: check for check in judge(facts(data=drawn)).data}
    assert checks["same_batch"].status is Status.GO


def test_what_was_seen_before_the_scripts_error_explains_it() -> None:
    seen = SeenError(check="targets", why="targets contain 4", hint="Number classes from 0.")
    parts = judge(facts(explained=seen))
    assert parts.cause == "DATA" and parts.data[0].why == "targets contain 4"


def class_order(values: list[int], of_one: bool = True) -> Status | None:
    """What is said of batches whose targets are all of the class of `values`, or of that and others."""
    watch = LossCallWatch(Anywhere())
    watch.batch_size = lambda: 16
    for value in values:
        target = torch.full((16,), value)
        if not of_one:
            target[0] = value + 1
        watch._loss(F.cross_entropy, (torch.randn(16, 12, requires_grad=True), target), {})
    checks = {one.id: one for one in judge(facts(loss_calls=list(watch.calls.values()))).data}
    return checks["class_order"].status if "class_order" in checks else None


def test_a_set_that_is_sorted_by_class_is_seen_and_domains_that_take_turns_are_not() -> None:
    assert class_order([0] * 6 + [1] * 6 + [2] * 6) is Status.NO_GO
    assert class_order(list(range(10))) is Status.NO_GO
    assert class_order([0] * 6 + [1] * 6, of_one=False) is Status.GO
    assert class_order([0, 1] * 10) is Status.GO
    assert class_order([0] * 20) is Status.GO  # `class_balance` says it
    assert class_order([0, 1, 2]) is None


@pytest.mark.parametrize(("low", "high", "stands"), [(-8, 9, Status.GO), (-9999, 40, Status.CAUTION)])
def test_values_far_from_what_a_new_network_expects_are_a_warning(low: float, high: float, stands: Status) -> None:
    given = TensorFacts(name="x", dtype="float32", shape=[8, 4], batches=9, minimum=low, maximum=high)
    call = LossCall(function="mse_loss", calls=9, target_minimum=low, target_maximum=high, target_spread=3.0)
    checks = {one.id: one for one in judge(facts(data=DataFacts(inputs=[given]), loss_calls=[call])).data}
    assert checks["input_scale"].status is checks["target_scale"].status is stands


def test_two_optimizers_of_one_network_and_none_of_the_other_are_a_fault_one_alone_may_be_meant() -> None:
    generator = NotLearning(name="netG.0.weight", module="netG.0", values=9, part="netG")
    held = ParameterFacts(total=4, values=40, unheld=[generator], parts_unheld=["netG"])
    twice = held.model_copy(update={"twice_held": "netD"})
    found = [{c.id: c for c in judge(facts(parameters=one)).wiring}["optimizer_holds"] for one in (held, twice)]
    assert [check.status for check in found] == [Status.CAUTION, Status.NO_GO] and "`netD`" in found[1].why


def test_numbers_that_are_none_survive_their_file() -> None:
    optimizer = facts().optimizers[0].model_copy(update={"changes": [float("nan"), float("inf")]})
    again = ProcessorFacts.model_validate_json(facts(optimizers=[optimizer]).model_dump_json())
    assert str(again.optimizers[0].changes) == "[nan, inf]"


@pytest.mark.parametrize(
    ("key", "value", "check", "status"),
    [
        ("min_batch_fall", 0.5, "one_batch", Status.CAUTION),
        ("max_class_share", 0.4, "class_balance", Status.CAUTION),
        ("max_wait_share", 0.1, "data_wait", Status.CAUTION),
        ("max_leaked_share", 0.4, "validation_overlap", Status.CAUTION),
        ("max_blank_share", 0.1, "inputs_vary", Status.NO_GO),
        ("max_loss_explosion", 0.1, "stability", Status.NO_GO),
    ],
)
def test_thresholds_of_the_configuration_reach_the_judge(key: str, value: float, check: str, status: Status) -> None:
    """By the default each stands otherwise."""
    inputs = TensorFacts(name="x", dtype="float32", shape=[8, 4], batches=9, samples=72, constant_samples=20)
    spiked = [2.0, 2.0, 2.0, 2.8, *[2.0 - 0.01 * step for step in range(36)]]
    found = facts(
        losses=[LossSeries(where="train.py:9", steps=list(range(40)), values=list(spiked))],
        memorised=Memorised(losses=[2.0 - 0.02 * step + 0.15 * (step % 2) for step in range(24)]),
        loss_calls=[LossCall(function="cross_entropy", classes=2, calls=9, class_counts={"0": 20, "1": 20})],
        timing=Timing(step_s=1.0, data_s=0.3),
        data=DataFacts(inputs=[inputs], shared_samples=3, shared_of=10, shared_how="bit for bit"),
    )

    def stands(gate: LearningGate) -> Status:
        checks, _ = judge_gate(Measurements(script=found, inputs_digest=""), gate)
        return next(one.status for one in checks if one.id == check)

    assert stands(LearningGate.model_validate({key: value})) is status is not stands(LearningGate())
