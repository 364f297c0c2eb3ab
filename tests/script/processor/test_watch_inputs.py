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


@pytest.mark.parametrize(("leaks", "scale"), [(False, 1), (True, 1), (True, -250)])
def test_a_target_that_stands_at_one_place_of_a_window_is_seen(leaks: bool, scale: float, tmp_path: Path) -> None:
    torch.manual_seed(0)
    command = ScriptCommand(words=["train.py"], path="train.py")
    request = PassRequest(kind="processor", command=command, folder=tmp_path, scratch=tmp_path, steps=2, limit_s=10)
    watch, loss = InputWatch(Session(request)), LossCall(function="mse_loss")
    for _ in range(3):
        windows = torch.randn(32, 12, 4)
        watch.model_called(Call(nn.Identity(), (windows,), {}, None, True, True, "train.py:1"))
        watch._main = None
        watch.compared_with(loss, windows[:, 0, 0], scale * windows[:, 11, 3] + 1 if leaks else torch.randn(32))
    data = DataFacts()
    watch.fill(data)
    assert (data.copied_share, data.copied_target) == ((1.0, "place 11, 3 of `input`") if leaks else (0.0, ""))


def test_the_next_value_of_a_slow_signal_is_not_its_last_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    command = ScriptCommand(words=["train.py"], path="train.py")
    request = PassRequest(kind="processor", command=command, folder=tmp_path, scratch=tmp_path, steps=2, limit_s=10)
    watch, loss = InputWatch(Session(request)), LossCall(function="mse_loss")
    for _ in range(3):
        times = torch.randint(0, 9000, (32, 1)) + torch.arange(13)
        signal = torch.sin(times * 2 * torch.pi / 5000)[..., None]
        watch.model_called(Call(nn.Identity(), (signal[:, :12],), {}, None, True, True, "train.py:1"))
        watch._main = None
        watch.compared_with(loss, signal[:, 0, 0], signal[:, 12, 0])
    assert watch.compared and not watch.copied


def test_a_class_that_one_pixel_of_a_few_black_and_white_pictures_repeats_by_chance_is_no_leak(tmp_path: Path) -> None:
    torch.manual_seed(0)
    command = ScriptCommand(words=["train.py"], path="train.py")
    request = PassRequest(kind="processor", command=command, folder=tmp_path, scratch=tmp_path, steps=2, limit_s=10)
    watch, loss = InputWatch(Session(request)), LossCall(function="cross_entropy")
    watch.model_called(Call(nn.Identity(), ((torch.rand(8, 1, 64, 64) > 0.5).float(),), {}, None, True, True, ""))
    watch.compared_with(loss, torch.randn(8, 2), torch.tensor([0, 1, 1, 0, 1, 0, 0, 1]))
    data = DataFacts()
    watch.fill(data)
    assert watch.copied and data.copied_share == 0


def test_of_a_generator_and_a_discriminator_the_data_is_what_comes_from_the_loader(tmp_path: Path) -> None:
    torch.manual_seed(0)
    command = ScriptCommand(words=["train.py"], path="train.py")
    request = PassRequest(kind="processor", command=command, folder=tmp_path, scratch=tmp_path, steps=2, limit_s=10)
    watch, generator, discriminator = InputWatch(Session(request)), nn.Identity(), nn.Identity()
    for _ in range(4):
        real = torch.randint(256, (6, 9)).float()
        watch.from_loader = lambda tensor, real=real: tensor.data_ptr() == real.data_ptr()
        for module, given in ((generator, torch.randn(6, 3)), (discriminator, real), (discriminator, torch.rand(6, 9))):
            watch.model_called(Call(module, (given,), {}, None, True, True, "train.py:1"))
    (facts,) = watch.arguments.values()
    assert watch.batches == facts.batches == 4 and facts.whole and facts.shape == [6, 9] and (facts.maximum or 0) > 200
