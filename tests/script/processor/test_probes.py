"""What the model's output makes of its inputs, also where it returns a mean over its samples."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from gonogo.script.processor.facts import ProcessorFacts
from gonogo.script.processor.judge import judge
from gonogo.script.processor.judge_calls import SAME_OUTPUT, SEES_OTHERS
from gonogo.script.processor.probes import probe
from gonogo.script.processor.session import Session
from gonogo.script.processor.watch_modules import Call
from gonogo.script.request import PassRequest, ScriptCommand
from gonogo.verdict import Status


class Loss(nn.Module):
    def __init__(self, blind: bool) -> None:
        super().__init__()
        self.net, self.blind = nn.Linear(4, 4), blind

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if self.blind:
            source, target = torch.zeros_like(source), torch.zeros_like(target)
        return (self.net(source) - target).square().mean()


def session(folder: Path) -> Session:
    command = ScriptCommand(words=["train.py"], path="train.py")
    return Session(
        PassRequest(kind="processor", command=command, folder=folder, scratch=folder, steps=2, limit_s=10)
    )  # fmt: skip


@pytest.mark.parametrize("blind", [False, True])
def test_a_mean_over_samples_depends_on_them_though_not_on_their_order(blind: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    call = Call(Loss(blind), (torch.randn(6, 4), torch.randn(6, 4)), {}, None, True, True, "train.py:1")
    found = probe(session(tmp_path), "model", call, next_token=False)
    assert found.all_shuffled is not None and (found.all_shuffled < SAME_OUTPUT) is blind
    assert [max(reach.shuffled or 0, reach.zeroed or 0) < SAME_OUTPUT for reach in found.reach] == [blind, blind]


class LastState(nn.Module):
    def __init__(self, batch_first: bool, turned: bool) -> None:
        super().__init__()
        self.rnn, self.turned = nn.GRU(3, 5, batch_first=batch_first), turned

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states, _ = self.rnn(x.transpose(0, 1) if self.turned else x)
        return states[-1] if self.turned else states[:, -1]


class AcrossSamples(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(3, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        own = self.net(x[:, -1])
        return own - own.mean(0)


class Similarities(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(3, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        own = self.net(x[:, -1])
        return own @ own.t()


@pytest.mark.parametrize(
    ("model", "samples", "mixed", "by"),
    [
        (LastState(batch_first=True, turned=False), 6, False, ""),
        (LastState(batch_first=False, turned=True), 6, False, ""),
        (LastState(batch_first=False, turned=False), 6, True, "`rnn`, GRU without batch_first,"),
        (LastState(batch_first=False, turned=False), 8, None, ""),
        (AcrossSamples(), 6, True, ""),
        (Similarities(), 6, None, ""),
    ],
    ids=["batch first", "turned inside", "samples as time", "not of the loader", "by design", "similarities"],
)
def test_samples_that_change_each_others_outputs_are_seen_where_the_first_axis_is_theirs(
    model: nn.Module, samples: int, mixed: bool | None, by: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    call = Call(model, (torch.randn(6, 4, 3),), {}, None, True, True, "train.py:1")
    facts = probe(session(tmp_path), "model", call, next_token=False, samples=samples)
    assert (facts.mixed is not None and facts.mixed > SEES_OTHERS) if mixed else facts.mixed in {0.0, None}
    assert (facts.mixed is None) is (mixed is None) and (not mixed or facts.mixed_by == by)
    check = {one.id: one for one in judge(ProcessorFacts(steps=4, probes=[facts])).wiring}.get("batch_mixed")
    wanted = {None: None, False: Status.GO, True: Status.NO_GO if by else Status.CAUTION}[mixed]
    assert (check.status if check else None) is wanted
