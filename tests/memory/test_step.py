"""The training step of an experiment: as commands give it, and of a module that counts while it trains."""

from __future__ import annotations

from pathlib import Path

import pytest
import torchmetrics
from torch import Tensor

from gonogo.base.errors import UserError
from gonogo.config.experiment import Training
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.config.load import load_accelerator
from gonogo.memory.judge import Measurements as MemoryMeasurements
from gonogo.memory.judge import judge as judge_memory
from gonogo.memory.plan_search_process import PlanSearch, explored_here
from gonogo.memory.request import TraceRequest
from gonogo.memory.step import lightning_step, step_of
from gonogo.memory.trace_process import trace_in_fork
from gonogo.verdict import Check, Status
from tests.conftest import ROOT
from tests.experiment.scripts import command, config, experiment
from tests.toy import Toy, ToyModule
from tests.toy import config as toy_config


def nothing(*_: object) -> None:
    return None


def test_the_memory_gate_traces_the_entry_point(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no `memory:` entry point is given"):
        step_of(experiment(tmp_path), Training())
    told = {**command(), "train": command()["train"] + " {precision} {accumulate_grad_batches}"}
    training = Training(micro_batch_size=3, accumulate_grad_batches=2, precision="bf16-mixed")
    step = step_of(experiment(tmp_path, memory="tests.experiment.entry:step", command=told), training)
    assert (step.micro_batch_size, step.accumulate_grad_batches, step.precision) == (3, 2, "bf16-mixed")
    step = step_of(experiment(tmp_path, memory="tests.experiment.entry:step"), training)
    assert (step.accumulate_grad_batches, step.precision) == (1, "32-true")  # the script receives neither


def test_without_an_entry_point_the_memory_gate_says_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment(tmp_path)
    monkeypatch.chdir(tmp_path)
    cards = {"cpu": load_accelerator(ROOT / "config", "cpu"), "h100": load_accelerator(ROOT / "config", "h100")}

    def judged(card: str, **changes: str) -> Check:
        task = PlanSearch(
            experiment="mine", experiment_config=config(**changes), training=Training(), accelerator=cards[card]
        )
        (check, *_), _ = judge_memory(
            MemoryMeasurements(accelerator=cards[card], explored=explored_here(task)), MemoryGate()
        )
        return check

    check = judged("cpu")
    assert check.status is Status.UNKNOWN and "no `memory:` entry point is given" in check.why
    assert judged("h100", memory="tests.experiment.entry:step").status is Status.GO


class Counting(Toy):
    """A module with metrics of torchmetrics."""

    def module(self, training: Training) -> ToyModule:
        module = super().module(training)
        module.accuracy = torchmetrics.Accuracy(task="multiclass", num_classes=3)
        module.losses = torchmetrics.MeanMetric()
        step = module.training_step

        def training_step(batch: list[Tensor], index: int) -> Tensor:
            loss = step(batch, index)
            module.losses(loss)
            module.accuracy(batch[0].flatten(1)[:, :3], batch[1].flatten(1)[:, 0].long())
            module.log("accuracy", module.accuracy)
            return loss

        module.training_step = training_step  # type: ignore[method-assign]
        return module


def test_metrics_in_a_module_can_be_traced() -> None:
    training = Training(micro_batch_size=4)
    own = Counting("counting", toy_config(), Path())
    traced = trace_in_fork(lambda: lightning_step(own, training), TraceRequest(training=training))
    assert not traced.error and traced.operations > 10
