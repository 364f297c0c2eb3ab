"""An average of the weights that nobody updates still holds what the model held at the start."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from gonogo.script.processor.facts import ModeFacts, ProcessorFacts
from gonogo.script.processor.judge import judge
from gonogo.script.processor.weight_copies import CopyWatch
from gonogo.verdict import Status


class Model(nn.Sequential):
    """With a frozen part, which an average never changes."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(3, 3), nn.Linear(3, 2))
        self[0].requires_grad_(False)


@pytest.mark.parametrize(
    ("trained", "updated", "as_begun"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_a_copy_is_stale_where_the_model_went_on_without_it(trained: bool, updated: bool, as_begun: bool) -> None:
    model, watch = Model(), CopyWatch()
    average = copy.deepcopy(model)
    watch.begun(model)
    with torch.no_grad():
        if trained:
            model[1].weight += 0.1
        if updated:
            average[1].weight.lerp_(model[1].weight, 0.001)
    assert watch.is_as_begun(average) is as_begun
    assert watch.is_as_begun(model) is None and watch.is_as_begun(nn.Linear(3, 2)) is None


def test_it_stops_the_script_only_where_nothing_else_is_validated() -> None:
    modes = ModeFacts(training_calls=9, copies_validated=2, copy_as_begun="ema.model")
    for both, status in ((False, Status.NO_GO), (True, Status.CAUTION)):
        facts = ProcessorFacts(steps=9, modes=modes.model_copy(update={"trained_validated": both}))
        (check,) = [one for one in judge(facts).wiring if one.id == "average"]
        assert check.status is status and "ema.model" in check.why
    follows = ProcessorFacts(steps=9, modes=modes.model_copy(update={"copy_as_begun": ""}))
    assert {one.id: one.status for one in judge(follows).wiring}["average"] is Status.GO
