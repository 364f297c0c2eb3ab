"""What the model's output makes of its inputs, also where it returns a mean over its samples."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from gonogo.script.processor.judge_calls import SAME_OUTPUT
from gonogo.script.processor.probes import probe
from gonogo.script.processor.session import Session
from gonogo.script.processor.watch_modules import Call
from gonogo.script.request import PassRequest, ScriptCommand


class Loss(nn.Module):
    def __init__(self, blind: bool) -> None:
        super().__init__()
        self.net, self.blind = nn.Linear(4, 4), blind

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if self.blind:
            source, target = torch.zeros_like(source), torch.zeros_like(target)
        return (self.net(source) - target).square().mean()


@pytest.mark.parametrize("blind", [False, True])
def test_a_mean_over_samples_depends_on_them_though_not_on_their_order(blind: bool, tmp_path: Path) -> None:
    command = ScriptCommand(words=["train.py"], path="train.py")
    request = PassRequest(kind="processor", command=command, folder=tmp_path, scratch=tmp_path, steps=2, limit_s=10)
    torch.manual_seed(0)
    call = Call(Loss(blind), (torch.randn(6, 4), torch.randn(6, 4)), {}, None, True, True, "train.py:1")
    found = probe(Session(request), "model", call, next_token=False)
    assert found.all_shuffled is not None and (found.all_shuffled < SAME_OUTPUT) is blind
    assert [max(reach.shuffled or 0, reach.zeroed or 0) < SAME_OUTPUT for reach in found.reach] == [blind, blind]
