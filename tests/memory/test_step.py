"""The training step of an experiment that is given as commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.base.errors import UserError
from gonogo.config.experiment import Training
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.config.load import load_accelerator
from gonogo.memory.judge import Measurements as MemoryMeasurements
from gonogo.memory.judge import judge as judge_memory
from gonogo.memory.plan_search_process import PlanSearch, explored_here
from gonogo.memory.step import step_of
from gonogo.verdict import Check, Status
from tests.conftest import ROOT
from tests.experiment.scripts import command, config, experiment


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
