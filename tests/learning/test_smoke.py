"""Real smoke runs: the fault that is put in is the cause that comes out; what is undertrained goes on first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gonogo.config.experiment import Smoke, Training
from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.judge import judge
from gonogo.learning.smoke import smoke_run
from gonogo.report.curves import curve_of, loss_curve
from gonogo.training.lightning_run import joined, train_lightning
from gonogo.training.spec import RunSpec
from gonogo.verdict import Status, status_of
from tests.learning.fixtures import EXPECTED, Family, outcome, specification
from tests.toy import Toy, ToyModule, config, toy


def nothing(line: str) -> None:
    """Progress that nobody reads."""


@pytest.mark.parametrize(
    ("fault", "learning_rate", "cause"),
    [
        ("", 0.01, ""),
        ("dark", 0.01, "DATA"),
        ("unwired", 0.01, "WIRING"),
        ("blind", 0.01, "INPUT IGNORED"),
        ("", 1e-6, "UNDERTRAINED"),
        ("nan", 0.01, "DIVERGING"),
    ],
)
def test_the_fault_is_named(tmp_path: Path, fault: str, learning_rate: float, cause: str) -> None:
    training = Training(micro_batch_size=16, learning_rate=learning_rate)
    spec = RunSpec(experiment="toy", experiment_config=config(fault), training=training, data=[], seed=0, max_steps=400)
    measured, result, speed = smoke_run(toy(fault), spec, Smoke(overfit_steps=200), tmp_path, nothing, nothing)
    checks, found = judge(measured, LearningGate())
    assert found == cause, {check.id: check.value for check in checks}
    assert speed.train_samples == 64 and speed.tflops_fp32 > 0
    if fault == "dark":
        assert next(check for check in checks if check.id == "loss_fall").value > 80
    loss_curve(curve_of(result, measured, "toy"), tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 5000


# --- every fixture ---


QUICK: dict[str, Family] = {"good": "conv", "dark": "mlp", "shuffled": "mlp", "zeroed_input": "mlp", "noise": "mlp"}


@pytest.mark.parametrize("fixture", EXPECTED)
def test_the_cause_is_named(tmp_path: Path, fixture: str) -> None:
    found = outcome(fixture, QUICK.get(fixture, "vectors"), 0, tmp_path)
    assert found.cause == EXPECTED[fixture], {check.id: (check.value, check.why) for check in found.checks}
    assert status_of(found.checks).passes == (fixture == "good")
    for check in found.checks:
        assert check.status is Status.GO or check.why, check
        assert check.status is not Status.NO_GO or check.hint, check


def test_dark_pictures_are_learned_well_and_yet_refused(tmp_path: Path) -> None:
    found = outcome("dark", "mlp", 1, tmp_path)
    loss_fall = next(check for check in found.checks if check.id == "loss_fall")
    assert loss_fall.value > 50 and (found.measured.end.skill or 0) > 0.3 and found.cause == "DATA"


def test_the_unconnected_module_is_named(tmp_path: Path) -> None:
    found = outcome("disconnected", "vectors", 0, tmp_path)
    check = next(check for check in found.checks if check.id == "gradients")
    assert "`body.0`" in check.why and check.value == 2


# --- going on ---


class OneCycle(ToyModule):
    """With a schedule that ends with its steps, and refuses to go beyond them."""

    rates: list[float]

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=0.01)
        if not self._trainer:
            return optimizer
        total = int(self.trainer.estimated_stepping_batches)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=total)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        self.rates = [*getattr(self, "rates", []), optimizer.param_groups[0]["lr"]]


class Cycling(Toy):
    def module(self, training: Training) -> OneCycle:
        return OneCycle(training, "")


def spec(steps: int) -> RunSpec:
    training = Training(micro_batch_size=16, learning_rate=0.01)
    return RunSpec(experiment="toy", experiment_config=config(), training=training, data=[], seed=0, max_steps=steps)


def test_a_short_run_is_made_longer_and_passes(tmp_path: Path) -> None:
    experiment, run, smoke = specification("good", "vectors", 0)
    said: list[str] = []
    run, smoke = run.model_copy(update={"max_steps": 20}), smoke.model_copy(update={"max_extension": 20.0})
    strict = LearningGate(min_skill=0.7)
    measured, result, _ = smoke_run(experiment, run, smoke, tmp_path, said.append, lambda line: None, strict)
    assert judge(measured, strict)[1] == "" and (measured.end.skill or 0) > 0.7
    assert 20 < result.steps < 400 and result.steps % 20 == 0
    assert len(result.train_loss) == len(result.step_s) == result.steps
    assert result.val_steps == sorted(set(result.val_steps)) and result.val_steps[-1] > 20
    steps = [evaluation.step for evaluation in measured.evaluations]
    assert steps == sorted(set(steps)) and steps[0] == 0 and steps[-1] == result.steps
    assert any(line.startswith("UNDERTRAINED after 20 steps") and "step 40" in line for line in said)


def test_it_stops_at_its_limits(tmp_path: Path) -> None:
    experiment, run, smoke = specification("too_few_steps", "vectors", 0)
    for name, changes, extension, steps in [
        ("factor", {"max_steps": 2}, 2.5, 5),
        ("none", {"max_steps": 2}, 1.0, 2),
        ("minutes", {"max_steps": 2, "max_minutes": 1e-5}, 3.0, 2),
    ]:
        short, limited = run.model_copy(update=changes), smoke.model_copy(update={"max_extension": extension})
        _, result, _ = smoke_run(experiment, short, limited, tmp_path / name, lambda line: None, lambda line: None)
        assert result.steps <= steps, name


def test_what_goes_on_is_the_same_optimizer_on_a_longer_schedule(tmp_path: Path) -> None:
    experiment = Cycling("toy", config(), Path())
    first, module, _ = train_lightning(experiment, spec(30), tmp_path, lambda line: None)
    assert isinstance(module, OneCycle)
    state = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=False)
    assert state["global_step"] == 30 and state["optimizer_states"][0]["state"][0]["step"] == 30
    before = module.rates[-1]
    more, module, _ = train_lightning(
        experiment, spec(60), tmp_path, lambda line: None, checkpoint=tmp_path / "checkpoints/last.ckpt", extends=module
    )
    assert isinstance(module, OneCycle) and len(module.rates) == 60
    long = Cycling("toy", config(), Path())
    _, whole, _ = train_lightning(long, spec(60), tmp_path / "whole", lambda line: None)
    assert isinstance(whole, OneCycle)
    assert module.rates[30:] == pytest.approx(whole.rates[30:], rel=1e-6) and module.rates[30] > 10 * before
    both = joined(first, more)
    assert both.steps == 60 and len(both.train_loss) == 60 and both.wall_s > first.wall_s
    state = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=False)
    assert state["optimizer_states"][0]["state"][0]["step"] == 60
    assert (tmp_path / "metrics.csv").exists(), "the first part's log is kept"
