"""Adam's first step is as long as its learning rate, unless its gradients are near eps."""

from __future__ import annotations

import pytest
import torch

from gonogo.learning.optimizer_checks import SHORT_STEP, step_length
from gonogo.learning.optimizer_facts import OptimizerFacts
from gonogo.script.processor.weight_sample import WeightSample
from gonogo.verdict import Status


def moved(gradient: float, groups: list[dict[str, object]]) -> float | None:
    """By one step of Adam over `groups`, each weight with this gradient."""
    optimizer = torch.optim.Adam(groups)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.full_like(parameter, gradient)
    sample = WeightSample.of(optimizer)
    optimizer.step()
    return sample.move()


def weights(count: int) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.full((count,), 0.01))


def test_a_first_step_is_the_learning_rate_whatever_the_size_of_the_gradient() -> None:
    for gradient in (1e3, 1.0, 1e-6):
        assert moved(gradient, [{"params": [weights(50)], "lr": 1e-3}]) == pytest.approx(1, rel=0.02)


def test_each_group_is_measured_by_its_own_rate_and_rows_that_got_no_gradient_do_not_count() -> None:
    groups = [{"params": [weights(1000)], "lr": 1e-5}, {"params": [weights(4)], "lr": 1e-2}]
    assert moved(1.0, groups) == pytest.approx(1, rel=0.02)
    table = torch.nn.Embedding(500, 4)
    optimizer = torch.optim.Adam(table.parameters(), lr=1e-3)
    table(torch.tensor([3, 7])).sum().backward()
    sample = WeightSample.of(optimizer)
    optimizer.step()
    assert sample.move() == pytest.approx(1, rel=0.02)


def test_gradients_that_were_clipped_to_nothing_move_the_weights_by_a_fraction_of_it() -> None:
    tiny = moved(1e-10, [{"params": [weights(50)], "lr": 1e-3}])
    assert tiny is not None and tiny < SHORT_STEP
    facts = OptimizerFacts(name="Adam", where="train.py:9", steps=40, norms=[1e-8] * 40, moves=[tiny] * 40)
    found = step_length([facts])
    assert found is not None and found.check.status is Status.NO_GO and "norm 1e-08" in found.check.why
    found = step_length([facts.model_copy(update={"moves": [1.0, *[0.05] * 39]})])
    assert found is not None and found.check.status is Status.GO


def test_without_a_rate_or_a_change_there_is_nothing_to_say() -> None:
    assert moved(1.0, [{"params": [weights(5)], "lr": 0.0}]) is None
    assert step_length([OptimizerFacts(name="SGD", steps=40)]) is None
