"""The trace of a step: what it counts, in which phase, and what it answers where it cannot."""

from __future__ import annotations

import resource
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule
from torch import nn
from torch.optim.swa_utils import AveragedModel

from gonogo.config.experiment import Training
from gonogo.experiment.step import Step
from gonogo.memory.builders import entry_step
from gonogo.memory.components import activations_by_module, components
from gonogo.memory.events import Events
from gonogo.memory.step import lightning_step
from gonogo.memory.step_curve import MOST_POINTS, step_curve
from gonogo.memory.trace import trace_step
from gonogo.memory.trace_result import Traced
from tests.memory.steps import FLOAT, allocated, dense, peak, traced


class Dense(LightningModule):
    def __init__(self, width: int, average: bool) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(width, width, bias=False), nn.ReLU(), nn.Linear(width, 1, bias=False))
        self.average = AveragedModel(self.net).requires_grad_(False) if average else None

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        return self.net(batch).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.net.parameters())

    def on_train_batch_end(self, *_: Any) -> None:
        if self.average is not None:
            self.average.update_parameters(self.net)


class Case:
    """As much of an experiment as the trace asks for."""

    def __init__(self, width: int, average: bool = False) -> None:
        self.width, self.average = width, average

    def module(self, training: Training) -> Dense:
        return Dense(self.width, self.average)

    def heaviest(self, module: Dense, training: Training) -> None:
        return

    def example_batch(self, batch_size: int) -> torch.Tensor:
        return torch.zeros(batch_size, self.width)


def run(width: int, batch: int, average: bool = False, **changes: Any) -> Traced:
    training = Training(micro_batch_size=batch, **changes)
    found = traced(lambda: lightning_step(Case(width, average), training))  # type: ignore[arg-type]
    assert found.guesses == []
    return found


def parts(found: Traced) -> dict[str, int]:
    assert found.events is not None
    return components(found.events, found.kinds)


def test_weights_gradients_moments_and_average_are_counted_to_the_byte() -> None:
    found = run(1000, 1, average=True)
    weights = FLOAT * (1000 * 1000 + 1000)
    assert found.parameters == 1_001_000
    assert parts(found)["weights"] == parts(found)["gradients"] == weights
    assert parts(found)["optimizer state"] == 2 * weights
    assert parts(found)["moving average"] == weights + 8  # and how many it has averaged
    assert sum(parts(found).values()) == peak(found.events)


def test_activations_grow_with_the_batch_and_accumulation_costs_nothing_more() -> None:
    one, two, four = (peak(run(500, 4096 * n).events) for n in (1, 2, 4))
    assert abs((four - two) / (two - one) - 2) < 0.05
    assert peak(run(500, 4096, accumulate_grad_batches=4).events) < 1.01 * one + FLOAT * 500 * 4096


def test_the_curve_of_a_step_has_its_peak_and_its_phases_in_their_order() -> None:
    found = run(500, 4096)
    assert found.events is not None
    curve = step_curve(found.events, {})
    assert curve and max(curve.live_bytes) == peak(found.events) and len(curve.live_bytes) <= MOST_POINTS
    order = [name for name in curve.phases if name in ("batch", "forward", "backward", "optimizer")]
    assert order == ["batch", "forward", "backward", "optimizer"]
    assert all(0 <= share < 1 for share in curve.phases.values())


def test_activations_are_told_by_module() -> None:
    found = run(1000, 5000)
    assert activations_by_module(found.events, found.kinds)["ReLU"] == FLOAT * 1000 * 5000


def test_gradients_of_a_frozen_base_are_not_kept() -> None:
    """As with low-rank adapters: a large frozen weight, small trained ones beside it."""

    class Adapted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.base = nn.Linear(1000, 1000, bias=False).requires_grad_(False)
            self.down, self.up = nn.Linear(1000, 4, bias=False), nn.Linear(4, 1000, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.base(x) + self.up(self.down(x))

    def adam(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])

    found = traced(dense(lambda: nn.Sequential(Adapted(), Adapted()), 2, 1000, optimizer=adam))
    sizes = parts(found)
    assert sizes["frozen weights"] == 2 * FLOAT * 1000 * 1000
    assert sizes["weights"] == sizes["gradients"] == sizes["optimizer state"] / 2 == 2 * FLOAT * 8000


def test_gradients_that_are_zeroed_stay() -> None:
    def sizes(set_to_none: bool) -> int:
        build = dense(lambda: nn.Linear(1000, 1000, bias=False), 1, 1000, zero_grad="end", set_to_none=set_to_none)
        events = traced(build).events
        assert events is not None
        return int(events.live_bytes()[-1])

    assert sizes(False) - sizes(True) == FLOAT * 1000 * 1000


def test_a_foreign_loop_does_everything_itself() -> None:
    def entry() -> Any:
        model = nn.Linear(100, 100, bias=False)
        optimizer = torch.optim.Adam(model.parameters())

        def step(batch: torch.Tensor) -> None:
            optimizer.zero_grad()
            model(batch).sum().backward()
            optimizer.step()

        return model, optimizer, step, torch.zeros(7, 100)

    found = traced(lambda: entry_step(entry()))
    assert found.micro_batch_size == 7
    assert parts(found)["optimizer state"] == 2 * FLOAT * 100 * 100
    assert sum(allocated(found.events, "optimizer", step=0)) >= 2 * FLOAT * 100 * 100


def test_nothing_is_really_allocated() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert peak(run(30_000, 1000).events) > 14e9  # weights, gradients and moments
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 500e6


def test_events_are_kept_in_a_file(tmp_path: Any) -> None:
    found = run(100, 3)
    found.save(tmp_path)
    again = Traced.load(tmp_path)
    assert again.kinds == found.kinds and again.events is not None and found.events is not None
    assert again.events.ops == found.events.ops and np.array_equal(again.events.size, found.events.size)
    assert isinstance(again.events, Events) and peak(again.events) == peak(found.events)


# --- what cannot be traced ---


class Picks(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = super().forward(x)
        return out[out > 0]


class Puts(nn.Linear):
    """Its backward would have to know where the mask is true."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = super().forward(x).clone()
        out[out.detach() > 0] = self.bias[0]
        return out


class Masks(nn.Linear):
    """The same with a mask that is computed from constants."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = super().forward(x).clone()
        out[:, torch.arange(8, device=x.device) < 3] = self.bias[:3]
        return out


def test_a_mask_of_constants_says_how_many_it_picks() -> None:
    assert traced(dense(lambda: Masks(8, 8), 4, 8)).guesses == []


class Raises(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise ValueError("the seventh layer is missing")


class Reads(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * float(x.detach().cpu().numpy().mean())


@pytest.mark.parametrize(
    ("net", "named"),
    [(Picks, "aten.nonzero"), (Puts, "aten.nonzero"), (Raises, "the seventh layer is missing"), (Reads, "numpy")],
)
def test_what_cannot_be_traced_gets_no_number(net: type[nn.Module], named: str) -> None:
    found = trace_step(dense(lambda: net(8, 8), 4, 8))
    assert found.events is None and named in found.error


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"micro_batch_size": 0}, "micro_batch_size: 0 is wrong"),
        ({"gradient_clip_val": float("nan")}, "gradient_clip_val: nan is wrong"),
        ({"accumulate_grad_batches": 0}, "accumulate_grad_batches: 0 is wrong"),
        ({"precision": "8-true"}, "'8-true' is wrong"),
    ],
)
def test_a_step_that_no_loop_could_run_is_refused(changes: dict[str, Any], named: str) -> None:
    def build() -> Step:
        step = dense(lambda: nn.Linear(8, 8), 4, 8)()
        for name, value in changes.items():
            setattr(step, name, value)
        return step

    found = trace_step(build)
    assert found.events is None and named in found.error


def test_an_entry_point_that_returns_something_else_is_told() -> None:
    def build() -> Step:
        return entry_step("a model")

    assert "return gonogo.Step" in trace_step(build).error
