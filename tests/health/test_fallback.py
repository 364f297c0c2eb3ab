"""Training that its device aborts continues on the CPU: real agent, real training, a process that really dies."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gonogo.base.digests import digest
from gonogo.config.device_choice import HIDDEN, choose
from gonogo.config.gate_thresholds import CanaryGate
from gonogo.config.load import load, load_accelerator
from gonogo.gates.canary import Measurements, judge
from gonogo.remote.run_request import CpuFallback
from gonogo.report.log_flags import flags
from gonogo.runtime.context import Run
from gonogo.stages.run_terms import cpu_fallback
from gonogo.training.spec import RunSpec, TrainingResult
from gonogo.verdict import Status
from tests.conftest import ROOT
from tests.remote.workspace import Workspace, end_all
from tests.toy import config
from tests.waiting import wait_for

DEVICE = Path(__file__).parent / "device"
RUN = "runs/one"


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path)
    workspace.impatient(BEAT_S=0.25)
    yield workspace
    end_all(tmp_path)


def spec_file(folder: Path) -> Path:
    own = config()
    training = own.training.model_copy(update={"epochs": 6})
    path = folder / "run.json"
    spec = RunSpec(experiment="toy", experiment_config=own, training=training, data=[], seed=0)
    path.write_text(spec.model_dump_json(by_alias=True))
    return path


def test_the_run_goes_on_from_its_checkpoint_with_the_batch_of_a_processor(work: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    work.launch(
        [sys.executable, "-m", "gonogo.stages.train", str(spec_file(tmp_path)), str(out)],
        cwd=str(ROOT),
        environment={"PYTHONPATH": os.pathsep.join([str(DEVICE), str(ROOT)]), "ABORT_AT": "20", "OMP_NUM_THREADS": "1"},
        checkpoints=str(out / "checkpoints"),
        resume=["--resume", "{checkpoint}"],
        override=["--changes", "{overrides}"],
        cpu=CpuFallback(overrides={"training": {"micro_batch_size": 32}}).model_dump(),
    )
    wait_for((tmp_path / RUN / "exit.json").exists, seconds=120)
    attempts = work.ended()["attempts"]
    assert [(a["cause"], a["signal"], a["cpu"]) for a in attempts] == [("aborted", 6, False), ("finished", None, True)]
    result = TrainingResult.model_validate_json((out / "training.json").read_text())
    # 64 samples: two epochs of 8 steps before the abort, four of 2 after it
    assert result.epochs == 6 and result.steps == 16 + 4 * 2 and result.device == "cpu"
    raised = [flag.status for flag in flags(work.log())]
    assert Status.NO_GO not in raised and raised.count(Status.CAUTION) >= 1 and Status.GO in raised


def forced(**target: object) -> Run:
    """A run of `eeg_full` on a target that insists on its RX 5600 XT."""
    settings = load({"experiments": "eeg_full"}, ROOT)
    card = load_accelerator(ROOT / "config", "rx_5600_xt")
    there = settings.target.model_copy(update={"device": "accelerator", **target})
    settings = dataclasses.replace(settings, target=there, accelerator=card, device=choose(card, there))
    return Run(stage="cloud_train", experiment="eeg_full", mode="validate", settings=settings, log=sys.stdout)


def test_a_forced_card_has_the_processor_behind_it_with_batch_8_become_32() -> None:
    run = forced()
    assert run.training.micro_batch_size == 8
    order = cpu_fallback(run.experiment_config, run.training, run.settings.accelerator, run.target)
    assert order is not None
    assert order["overrides"] == {"training": {"micro_batch_size": 32, "num_workers": 2}}
    assert order["environment"] == HIDDEN


def test_a_machine_that_bills_by_the_hour_does_not_become_a_processor() -> None:
    run = forced(usd_per_hour=2.0)
    assert cpu_fallback(run.experiment_config, run.training, run.settings.accelerator, run.target) is None


def test_the_canary_tells_the_fallback_as_a_caution_and_not_as_a_fault() -> None:
    measured = Measurements(
        inputs_digest=digest(""), exit_cause="finished", steps=12, finite=True, last_loss=0.5, step_s=5.0,
        peak_memory_bytes=1, planned_peak_bytes=None, planned_step_s_high=0.1, on_cpu_instead=True,
    )  # fmt: skip
    checks, cause = judge(measured, CanaryGate())
    assert cause == "" and all(check.status.passes for check in checks)
    told = next(check for check in checks if check.id == "fallback")
    assert told.status is Status.CAUTION and "5 to 10 times" in told.why


def test_a_launch_that_forces_the_cpu_asks_for_no_gpu(tmp_path: Path) -> None:
    environment = {
        **os.environ, **HIDDEN, "PYTHONPATH": os.pathsep.join([str(DEVICE), str(ROOT)]), "TOUCHED": "1",
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    command = [sys.executable, "-m", "gonogo.stages.train", str(spec_file(tmp_path)), str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "finished" in done.stdout
    # the same without the variables asks for one, and would have died of it
    seen = {key: value for key, value in environment.items() if key not in HIDDEN}
    done = subprocess.run(command, cwd=ROOT, env=seen, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -6
