"""The model on held-out samples: what is taken away from it, and what is left as it was."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gonogo.learning.batches import at_most, with_inputs_of
from gonogo.learning.data_summary import sample_data
from gonogo.learning.evaluate import evaluate
from gonogo.learning.gradients import GradientRecord
from gonogo.learning.input_reach import modules_that_see
from tests.learning.fixtures import Fixture, specification


class Grouped(Fixture):
    """Each sample was made from the thing whose number its first input value gives."""

    def groups(self, batch: list[Tensor]) -> list[str]:
        return [f"{float(x.flatten()[0]):.1f}" for x in batch[0]]


def fixture(name: str = "good") -> tuple[Fixture, torch.nn.Module]:
    experiment, spec, _ = specification(name, "vectors", 0)
    torch.manual_seed(0)
    return experiment, experiment.module(spec.training)


def test_inputs_are_swapped_and_nothing_else() -> None:
    experiment, _ = fixture()
    one, other = experiment.example_batch(6), [part + 100 for part in experiment.example_batch(4)]
    swapped = with_inputs_of(experiment, one, other)
    assert swapped is not None and torch.equal(swapped[1], one[1])
    assert swapped[0].shape == one[0].shape and float(swapped[0].min()) > 50


def test_looking_changes_neither_mode_nor_chance() -> None:
    experiment, module = fixture()
    looked = sample_data(experiment, experiment.datamodule(specification("good", "vectors", 0)[1].training, [], 0), 64)
    module.train()
    state = torch.get_rng_state()
    first = evaluate(experiment, module, looked.held_out, looked.mean, 0)
    assert module.training and torch.equal(state, torch.get_rng_state())
    assert first == evaluate(experiment, module, looked.held_out, looked.mean, 0)
    assert first.samples == 48 and first.skill_low < first.skill < first.skill_high
    assert [len(batch[0]) for batch in at_most(experiment, looked.held_out, 32)] == [16, 16]
    assert [len(batch[0]) for batch in at_most(experiment, looked.held_out, 5)] == [5]


def test_groups_on_both_sides_are_told() -> None:
    experiment, spec, _ = specification("good", "vectors", 0)
    grouped = Grouped("grouped", experiment.config, experiment.root)
    found = sample_data(grouped, grouped.datamodule(spec.training, [], 0)).summary
    assert found.shared_group_count > 5 and len(found.shared_groups) == 5 and found.exact_copies == 0


def test_the_input_is_followed_into_the_model() -> None:
    experiment, module = fixture()
    assert modules_that_see(experiment, module, experiment.example_batch(4)) == ["body.0", "body.2", "head"]
    experiment, module = fixture("zeroed_input")
    assert modules_that_see(experiment, module, experiment.example_batch(4)) == []


def test_gradients_tell_what_they_never_reach() -> None:
    net = nn.ModuleDict(
        {"seen": nn.Linear(3, 3), "starved": nn.Linear(3, 3), "cut": nn.Linear(3, 3), "loose": nn.Linear(3, 1)}
    )
    held = [p for name, part in net.items() if name != "loose" for p in part.parameters()]
    optimizer, record = torch.optim.SGD(held, lr=0.1), GradientRecord(net)
    for _ in range(3):
        optimizer.zero_grad()
        x = torch.rand(5, 3)
        found = net["loose"](net["seen"](x) + net["starved"](torch.zeros_like(x)) + net["cut"](x).detach())
        found.square().mean().backward()
        record.step([optimizer])
        optimizer.step()
    report = record.report()
    assert (report.unreached, report.blocked, report.not_optimized) == (["starved", "cut"], ["cut"], ["loose"])
    assert report.modules == 4 and len(report.norms) == 3 and all((norm or 0) > 0 for norm in report.norms)
    assert not report.starved_first
