"""Inputs beside their targets: samples of the first epoch count, views of them that come later do not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from gonogo.learning.loss_calls import LossCall
from gonogo.script.processor.facts import DataFacts, LoaderFacts
from gonogo.script.processor.session import Session
from gonogo.script.processor.watch_inputs import InputWatch
from gonogo.script.processor.watch_modules import Call
from gonogo.script.request import PassRequest, ScriptCommand

COUNT, EPOCHS, SIDE = 80, 5, 16


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("masks", [False, True])
def test_views_of_one_picture_are_no_proof_that_its_target_is_right(
    masks: bool, shuffled: bool, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    command = ScriptCommand(words=["train.py"], path="train.py")
    request = PassRequest(kind="processor", command=command, folder=tmp_path, scratch=tmp_path, steps=2, limit_s=10)
    watch, loss = InputWatch(Session(request)), LossCall(function="cross_entropy")
    order = torch.randperm(COUNT) if shuffled else torch.arange(COUNT)
    labels = torch.arange(COUNT) % 4
    regions = (torch.rand(COUNT, 4, 4) > 0.5).long().repeat_interleave(4, 1).repeat_interleave(4, 2)
    pictures = torch.randn(COUNT, 3, 1, 1) + torch.randn(COUNT, 3, SIDE, SIDE)
    pictures += 2.0 * (regions[:, None] if masks else (labels[:, None, None, None] == torch.arange(3)[:, None, None]))
    targets = (regions if masks else labels)[order]
    for _ in range(EPOCHS):
        views = pictures + 0.3 * torch.randn(pictures.shape)
        for start in range(0, COUNT, 8):
            batch = views[start : start + 8]
            watch.model_called(Call(nn.Identity(), (batch,), {}, None, True, True, "train.py:1"))
            watch._main = None
            watch.compared_with(loss, batch, targets[start : start + 8])
    data = DataFacts(loaders=[LoaderFacts(name="train", role="train", items=COUNT)])
    watch.fill(data)
    assert data.pairs == COUNT and data.masks is masks and data.independence_p is not None
    assert (data.independence_p > 0.01) is shuffled
