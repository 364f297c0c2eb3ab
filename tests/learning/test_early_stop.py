"""The learning gate on a paid run: what comes to nothing is stopped, what is merely slow is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gonogo.config.gate_thresholds import LearningGate
from gonogo.config.target import Target
from gonogo.learning.callback import pause_s
from gonogo.learning.early_stop import StopSignal, should_stop, stop_signal
from gonogo.learning.measurements import Evaluation, Measurements
from gonogo.remote.machine import Machine
from gonogo.stages.train import STOPPED_BY_GATE
from gonogo.training.spec import RunSpec, TrainingResult
from tests.conftest import ROOT
from tests.learning.fixtures import Family, specification
from tests.remote.conftest import instance, machine, root_there, ssh, target
from tests.waiting import LIMIT_S, wait_for

__all__ = ["instance", "machine", "root_there", "ssh", "target"]  # fixtures

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def paid(fixture: str, family: Family = "vectors", epochs: int = 20) -> RunSpec:
    _, spec, _ = specification(fixture, family, 0)
    training = spec.training.model_copy(update={"epochs": epochs, "checkpoint_every_epochs": 1000})
    return spec.model_copy(update={"max_steps": None, "gate": LearningGate(), "training": training})


def run(folder: Path, spec: RunSpec) -> tuple[subprocess.CompletedProcess[str], TrainingResult, list[dict]]:
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(spec.model_dump_json(by_alias=True))
    command = [sys.executable, "-m", "gonogo.stages.train", str(folder / "run.json"), str(folder / "out")]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=900, check=False)
    assert (folder / "out/training.json").exists(), done.stderr
    lines = (folder / "out/in_flight.jsonl").read_text().splitlines()
    result = TrainingResult.model_validate_json((folder / "out/training.json").read_text())
    return done, result, [json.loads(line) for line in lines]


@pytest.mark.parametrize(("fixture", "cause"), [("shuffled", "DATA"), ("rate_x1000", "DIVERGING")])
def test_a_run_that_comes_to_nothing_is_stopped_early(tmp_path: Path, fixture: str, cause: str) -> None:
    done, result, evaluations = run(tmp_path / fixture, paid(fixture))
    assert done.returncode == STOPPED_BY_GATE, done.stdout
    assert result.cause == cause and result.stopped.startswith(f"{cause} at step {result.steps}: ")
    assert f"stopped by the learning gate: {cause}" in done.stdout
    assert 0 < result.steps < 300 and result.finite  # of 400
    assert (tmp_path / fixture / "out/checkpoints/last.ckpt").exists()
    assert [line["cause"] for line in evaluations[-3:]] == [cause] * 3
    assert evaluations[0]["step"] == 0 and all(line["samples"] <= 64 for line in evaluations)


@pytest.mark.parametrize("fixture", ["good", "rate_too_small"])
def test_a_run_that_learns_or_is_merely_slow_goes_on(tmp_path: Path, fixture: str) -> None:
    done, result, evaluations = run(tmp_path / fixture, paid(fixture, epochs=10))
    assert done.returncode == 0, done.stdout
    assert result.cause == "" and result.steps == 200 and len(evaluations) > 5


def test_a_loss_that_is_no_number_is_stopped_with_its_cause(tmp_path: Path) -> None:
    done, result, _ = run(tmp_path / "nan", paid("nan_targets"))
    assert done.returncode == STOPPED_BY_GATE and result.cause == "DATA" and "targets hold NaN" in result.stopped


def test_without_thresholds_nobody_goes_along(tmp_path: Path) -> None:
    spec = paid("shuffled", epochs=2).model_copy(update={"gate": None})
    (tmp_path / "run.json").write_text(spec.model_dump_json(by_alias=True))
    command = [sys.executable, "-m", "gonogo.stages.train", str(tmp_path / "run.json"), str(tmp_path / "out")]
    assert (
        subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, check=False, timeout=LIMIT_S).returncode
        == 0
    )
    assert not (tmp_path / "out/in_flight.jsonl").exists()


def test_the_agent_says_that_the_gate_stopped_it(machine: Machine, target: Target, root_there: Path) -> None:
    (root_there / "ws").mkdir(parents=True, exist_ok=True)
    (root_there / "ws/run.json").write_text(paid("rate_x1000").model_dump_json(by_alias=True))
    machine.launch(
        "ws/runs/one", key="k", workspace="ws", cwd="ws", environment={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        arguments=["-m", "gonogo.stages.train", "run.json", "runs/one/out"],
    )  # fmt: skip
    wait_for(lambda: machine.run_agent("status", "ws/runs/one")["state"] == "exited", seconds=300)
    ended = machine.run_agent("status", "ws/runs/one")["exit"]
    assert (ended["cause"], ended["code"]) == ("stopped_by_gate", STOPPED_BY_GATE)


@pytest.mark.parametrize(("minutes", "share"), [(1, 0.2), (10, 0.07), (600, 0.021)])
def test_looks_take_a_small_share_of_short_runs_and_long_ones(minutes: float, share: float) -> None:
    passed_s = in_all_s = 0.0
    while passed_s < 60 * minutes:
        in_all_s += 1.2
        passed_s += 1.2 + pause_s(1.2, in_all_s)
    assert share / 3 < in_all_s / passed_s < share


def course(skills: list[float], errors: float = 1.0) -> Measurements:
    """A run with these held-out skills, twenty steps apart."""
    evaluations = [
        Evaluation(
            step=20 * index, samples=64, error=errors * (1 - skill), error_of_mean=errors, skill=skill,
            skill_low=skill - 0.05, skill_high=skill + 0.05, output_mean=0.4, target_mean=0.4, output_sigma=0.2,
            target_sigma=0.2, skill_without_input=skill - 0.3, output_change=0.5, own_input_gain=0.1,
        )
        for index, skill in enumerate(skills)
    ]  # fmt: skip
    return Measurements(
        finite=True, steps=evaluations[-1].step, first_loss=1.0, last_loss=0.5, peak_loss=1.0, val_steps=[],
        val_loss=[], error_of_copy=None, evaluations=evaluations,
    )  # fmt: skip


def test_slow_learning_is_no_doom_and_lost_skill_is() -> None:
    gate = LearningGate()
    assert stop_signal(course([-0.5, -0.3, -0.2, -0.1, -0.05, -0.02, 0.0, 0.01, 0.02, 0.03]), gate) == StopSignal()
    assert stop_signal(course([-0.5, 0.0, 0.1, 0.3, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6]), gate) == StopSignal()
    lost = stop_signal(course([-0.5, 0.2, 0.5, 0.6, 0.6, 0.5, 0.1, -0.5, -0.9, -1.2]), gate)
    assert lost.cause == "DIVERGING" and "0.60" in lost.why


def test_it_takes_several_evaluations_that_say_the_same() -> None:
    bad, worse, fine = StopSignal("DATA", "…"), StopSignal("DIVERGING", "…"), StopSignal()
    assert not should_stop([fine] * 9 + [bad, bad], 0.9)
    assert should_stop([fine] * 9 + [bad] * 3, 0.9) and not should_stop([fine] * 9 + [bad] * 3, 0.1)
    assert not should_stop([fine] * 9 + [bad, worse, bad], 0.9)
    assert should_stop([fine, fine, worse, worse, worse], 0.05) and not should_stop([worse] * 3, 0.9)
    assert not should_stop([fine] * 50, 0.9)
