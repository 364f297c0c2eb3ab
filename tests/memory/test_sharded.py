"""What a card needs that shares weights with others: by hand, by torch's own tracker, and in a real process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import nn

from gonogo.experiment.step import Step
from gonogo.memory.allocator import replay
from gonogo.memory.components import components
from gonogo.memory.trace import trace_step
from gonogo.training.lightning_step import training_step
from gonogo.training.sharding import units
from tests.conftest import ROOT
from tests.memory import ddp_peak, fsdp_peak
from tests.memory.steps import FLOAT, peak, traced
from tests.waiting import LIMIT_S

WIDTH, LAYERS, CARDS = 1024, 16, 4
LAYER = WIDTH * WIDTH * FLOAT  # bytes


def net() -> nn.Module:
    return nn.Sequential(*[nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(LAYERS)])


def sharded(made: Callable[[], nn.Module] = net, width: int = WIDTH, **changes: Any) -> Callable[[], Step]:
    """Builds a step of AdamW on two samples, whose weights several cards share."""

    def build() -> Step:
        model = made()
        return Step(
            model=model,
            optimizer=lambda: torch.optim.AdamW(model.parameters()),
            run=lambda x: model(x).square().mean(),
            batch=torch.zeros(2, width),
            micro_batch_size=2,
            **{"devices": CARDS, "strategy": "fsdp", **changes},
        )

    return build


def test_the_peak_of_a_card_is_the_one_computed_by_hand() -> None:
    found = traced(sharded(gradient_clip_val=1.0))
    events, part = found.events, LAYERS / CARDS  # in layers
    kept = 3 * part  # weights, and AdamW's two averages
    by_hand = {
        "model": part + 1,  # the last layer is whole until it is shared out
        "forward": kept + part + 1 + 2,  # gradients of the step before; a layer, gathered while the next one is
        # all but the last layer's gradients; that layer's weights whole and being gathered, gradient whole and leaving
        "backward": kept + (LAYERS - 2) / CARDS + 2 + 2,
        "optimizer": kept + part + part,  # a root of the squares' average
        "checkpoint": kept + part + 1,  # tensor by tensor, to the host
    }
    for phase, layers in by_hand.items():
        assert peak(events, phase) / LAYER == pytest.approx(layers, abs=0.1), phase
    parts = components(events, found.kinds)
    assert parts["weights"] == parts["gradients"] == part * LAYER and parts["optimizer state"] == 2 * part * LAYER
    assert found.parameters == LAYERS * WIDTH * WIDTH, "of all cards"
    assert f"{CARDS} cards" in found.looked[1] and f"{LAYERS} units (Linear)" in found.looked[1]
    assert not found.missing and not found.guesses


def test_torch_tracks_the_same_peak() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.distributed._tools.fsdp2_mem_tracker import FSDPMemTracker

    from gonogo.memory.recorder import AllocationRecorder
    from gonogo.memory.sharded import one_card_of
    from gonogo.training.sharding import shard

    with one_card_of(CARDS, AllocationRecorder("cpu")) as mesh, FakeTensorMode():
        model, batch = net(), torch.ones(2, WIDTH)
        shard(model, mesh)
        optimizer = torch.optim.AdamW(model.parameters(), foreach=True)

        def one_step() -> None:
            loss = model(batch).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        one_step()  # the first one's shapes are taken for memory there
        tracker = FSDPMemTracker(model, optimizer)
        tracker.track_inputs((batch,))
        with tracker:
            one_step()
        (theirs,) = tracker.get_tracker_snapshot("peak").values()
    assert peak(traced(sharded()).events) == pytest.approx(theirs["Total"], rel=1e-3)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the process's memory from /proc")
def test_a_real_process_needs_as_much(tmp_path: Path) -> None:
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "1048576", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.memory.fsdp_peak"]
    store = str(tmp_path / "store")
    with subprocess.Popen([*command, "1", store], env=environment, stdout=subprocess.DEVNULL) as other:
        done = subprocess.run([*command, "0", store], env=environment, capture_output=True, timeout=LIMIT_S, check=True)
        other.wait(LIMIT_S)
    found = traced(sharded(ddp_peak.net, ddp_peak.WIDTH, devices=fsdp_peak.CARDS), device="cpu", plain=True)
    weights = ddp_peak.LAYERS * ddp_peak.WIDTH**2 * FLOAT // fsdp_peak.CARDS
    assert peak(found.events) - weights == pytest.approx(int(done.stdout), rel=0.08)


def test_more_cards_need_less_each_and_one_card_shares_with_nobody() -> None:
    alone, two, eight = (peak(traced(sharded(devices=cards), plain=True).events) for cards in (1, 2, 8))
    assert alone > 1.7 * two > 1.7 * 1.7 * eight


def test_gradients_accumulate_in_parts() -> None:
    one, two = (
        peak(traced(sharded(accumulate_grad_batches=passes), plain=True).events, "backward") for passes in (1, 2)
    )
    assert (two - one) / LAYER <= LAYERS / CARDS, "at most the first micro-batch's part, and no whole gradients"


def test_what_is_gathered_is_served_from_its_own_stream() -> None:
    events = traced(sharded(), plain=True).events
    assert len(set(events.streams[:, 1].tolist())) == 2, "gathering, and sharing gradients out"
    one_stream = events.__class__(**{**vars(events), "streams": events.streams[:0]})
    assert replay(events).peak_reserved_bytes > replay(one_stream).peak_reserved_bytes


def test_what_is_in_lists_is_a_unit() -> None:
    block = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    model = nn.ModuleDict({
        "stem": nn.Linear(4, 4),
        "blocks": nn.ModuleList([block, nn.ModuleList([nn.Linear(4, 4)]), nn.ReLU()]),
        "head": nn.ModuleDict({"out": nn.Linear(4, 4)}),
    })  # fmt: skip
    whole = nn.Module()
    whole.add_module("net", model["blocks"])
    assert units(whole) == [block, model["blocks"][1][0]]
    assert units(nn.Linear(4, 4)) == []


class OwnSharing(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def configure_model(self) -> None:
        from torch.distributed.fsdp import fully_shard

        fully_shard(self.net, mesh=self.device_mesh["data_parallel"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


def test_a_module_that_shares_itself_out_is_left_as_it_is() -> None:
    found = traced(sharded(OwnSharing), plain=True)
    assert "1 units (Sequential)" in found.looked[1]
    assert peak(found.events, "forward") / LAYER > LAYERS, "all of it is whole at once"


class OneArgument(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def training_step(self, batch: torch.Tensor) -> torch.Tensor:
        return self.net(batch).square().mean()


class TwoArguments(OneArgument):
    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        return super().training_step(batch) + index


@pytest.mark.parametrize("kind", [OneArgument, TwoArguments])
def test_a_step_is_called_with_what_it_takes(kind: type[OneArgument]) -> None:
    def build() -> Step:
        made = sharded(kind)()
        model: Any = made.model
        made.run = lambda batch: training_step(model, batch, 0)
        return made

    found = traced(build, plain=True)
    assert peak(found.events, "forward") / LAYER == pytest.approx(4 * LAYERS / CARDS + 1 + 2, abs=0.1)


def test_a_module_that_steps_its_optimizers_itself_is_told_so() -> None:
    def by_hand() -> nn.Module:
        module = OneArgument()
        module.automatic_optimization = False
        return module

    assert "OneArgument steps its optimizers itself" in trace_step(sharded(by_hand)).error


class Unused(nn.Module):
    """A block whose result does not count."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = net()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.blocks[0](x)
        return self.blocks[1](x)


def test_a_block_that_gets_no_gradient_is_traced() -> None:
    found = trace_step(sharded(Unused))
    assert found.error == "" and peak(found.events, "backward") > peak(found.events, "model")


def test_what_cannot_be_shared_out_is_said() -> None:
    def scalar() -> nn.Module:
        model = net()
        model.register_parameter("scale", nn.Parameter(torch.zeros(())))
        return model

    found = trace_step(sharded(scalar))
    assert "scalar parameters" in found.error and found.events is None
    made = sharded()()
    made.optimizer = torch.optim.SGD(made.model.parameters())
    assert "give `optimizer` as a function" in trace_step(lambda: made).error
