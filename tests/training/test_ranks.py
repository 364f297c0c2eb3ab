"""Two processes that train together on the processor, as the machine starts them: real ones, by gloo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from gonogo.config.expected import Indicator
from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.training.spec import RunSpec, TrainingResult
from tests.conftest import ROOT
from tests.faults.training import brisk
from tests.remote.workspace import end_all
from tests.waiting import LIMIT_S, wait_for

EPOCHS, STEPS = 3, 12  # 64 samples in micro-batches of 8, on two cards: 4 steps an epoch


def spec(tmp_path: Path, fault: str = "", kind: str = "Noted", **training: Any) -> RunSpec:
    settings = {"notes": str(tmp_path), "fault": fault}
    config = ExperimentConfig.model_validate({"class": f"tests.training.noted:{kind}", "settings": settings})
    keys = {"epochs": EPOCHS, "micro_batch_size": 8, "devices": 2, "learning_rate": 0.01, **training}
    return RunSpec(
        experiment="noted", experiment_config=config, training=Training.model_validate(keys), data=[], seed=7
    )  # fmt: skip


def command(tmp_path: Path, run: RunSpec, *options: str) -> list[str]:
    (tmp_path / "run.json").write_text(run.model_dump_json(by_alias=True))
    out = str(tmp_path / "out")
    return [sys.executable, "-m", "gonogo.stages.train", str(tmp_path / "run.json"), out, *options]


def trained(tmp_path: Path, run: RunSpec, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(tmp_path, run, *options), cwd=ROOT, env=environment(), timeout=LIMIT_S, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def noted(tmp_path: Path, rank: int) -> list[list[str]]:
    """Of each batch: epoch, samples, a random number, the process."""
    path = tmp_path / f"rank_{rank}.txt"
    return [line.split("|") for line in path.read_text().splitlines()] if path.exists() else []


def nothing_left(tmp_path: Path) -> None:
    pids = {int(batch[3]) for rank in (0, 1) for batch in noted(tmp_path, rank)}
    assert len(pids) >= 2
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in pids))


def test_two_cards_share_an_epoch_and_one_of_them_writes(tmp_path: Path) -> None:
    done = trained(tmp_path, spec(tmp_path))
    assert done.returncode == 0, done.stdout
    result = TrainingResult.read(tmp_path / "out/training.json")
    assert (result.steps, result.epochs, len(result.train_loss)) == (STEPS, EPOCHS, STEPS)
    ranks = [noted(tmp_path, rank) for rank in (0, 1)]
    for epoch in range(EPOCHS):
        parts = [[n for batch in rank if batch[0] == str(epoch) for n in batch[1].split()] for rank in ranks]
        assert [len(part) for part in parts] == [32, 32]
        assert sorted(map(int, parts[0] + parts[1])) == list(range(64)), "each sample once, on one of the cards"
    drawn = [{batch[2] for batch in rank} for rank in ranks]
    assert not drawn[0] & drawn[1], "each draws random numbers of its own"
    assert done.stdout.count("loading") == done.stdout.count("training ended") == 1
    assert f"step {STEPS}/{STEPS}" in done.stdout and "UserWarning" not in done.stdout
    # validation is of both parts, as of one process that is given this checkpoint
    module = torch.load(tmp_path / "out/checkpoints/last.ckpt", weights_only=True)
    weight, bias = (module["state_dict"][f"net.1.{name}"] for name in ("weight", "bias"))
    held_out = torch.arange(64.0, 80.0)[:, None].expand(16, 36)
    alone = (held_out @ weight.T + bias - held_out / 64).abs().mean().item()
    assert result.val_loss[-1] == pytest.approx(alone, rel=1e-4)
    nothing_left(tmp_path)


@pytest.mark.slow
def test_the_gradient_is_that_of_the_effective_batch(tmp_path: Path) -> None:
    """One step on two cards is one step on one card with the whole epoch as its batch."""
    for name, keys in (("two", {"micro_batch_size": 32}), ("one", {"micro_batch_size": 64, "devices": 1})):
        (tmp_path / name).mkdir()
        done = trained(tmp_path / name, spec(tmp_path / name, epochs=1, **keys))
        assert done.returncode == 0, done.stdout
    two, one = (
        torch.load(tmp_path / name / "out/checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for name in ("two", "one")
    )
    assert torch.allclose(two["net.1.weight"], one["net.1.weight"], atol=1e-5)


@pytest.mark.slow
def test_a_canary_of_two_does_one_of_each(tmp_path: Path) -> None:
    done = trained(tmp_path, spec(tmp_path), "--max-steps", "3")
    assert done.returncode == 0, done.stdout
    result = TrainingResult.read(tmp_path / "out/training.json")
    assert result.steps == 3 and list(result.phase_peaks_bytes)[-1] == "prediction"
    assert (tmp_path / "out/samples/canary/predictions.png").exists()


def test_a_loss_that_is_no_number_on_one_card_ends_both(tmp_path: Path) -> None:
    done = trained(tmp_path, spec(tmp_path, "not a number"))
    assert done.returncode == 3, done.stdout
    result = TrainingResult.read(tmp_path / "out/training.json")
    assert not result.finite and result.stopped == "the loss is nan at step 6"
    nothing_left(tmp_path)


@pytest.mark.slow
def test_a_bound_of_watch_stops_both_with_the_checkpoint_kept(tmp_path: Path) -> None:
    run = spec(tmp_path)
    run.experiment_config.watch = {"val_loss": Indicator(at_most=0.0, then="stop")}
    done = trained(tmp_path, run)
    assert done.returncode == 40, done.stdout
    assert "val_loss" in TrainingResult.read(tmp_path / "out/training.json").stopped
    assert torch.load(tmp_path / "out/checkpoints/last.ckpt", weights_only=True)["global_step"] == STEPS // EPOCHS
    nothing_left(tmp_path)


@pytest.mark.slow
def test_data_that_cannot_be_shared_out_is_refused(tmp_path: Path) -> None:
    done = trained(tmp_path, spec(tmp_path, "stream"))
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert "training.devices: 2: the training loader is a stream" in done.stdout


def supervised(tmp_path: Path, run: RunSpec, **order: Any) -> dict[str, Any]:
    """How the agent saw the run end, which resumes it where it was lost."""
    work = brisk(tmp_path / "machine")
    work.environment |= environment()
    try:
        work.launch(
            command(tmp_path, run), cwd=str(ROOT), progress=r"^step \d",
            checkpoints=os.path.relpath(tmp_path / "out/checkpoints", tmp_path / "machine/runs/one"),
            resume=["--resume", "{checkpoint}"], override=["--changes", "{overrides}"], **order,
        )  # fmt: skip
        return work.ended()
    finally:
        end_all(tmp_path / "machine")


LOST: dict[str, dict[str, Any]] = {"killed": {}, "hung": {"first_s": 90.0, "stall_s": 8.0}}


@pytest.mark.slow
@pytest.mark.parametrize("fault", LOST)
def test_a_card_that_is_lost_ends_the_attempt_and_the_run_goes_on(tmp_path: Path, fault: str) -> None:
    ends_and_goes_on(tmp_path, fault, spec(tmp_path, fault))


def ends_and_goes_on(tmp_path: Path, fault: str, run: RunSpec) -> None:
    ended = supervised(tmp_path, run, **LOST[fault])
    cause = {"killed": "killed", "hung": "stalled"}[fault]
    assert [attempt["cause"] for attempt in ended["attempts"]] == [cause, "finished"], ended
    log = (tmp_path / "machine/runs/one/log.txt").read_text()
    assert ("rank 1 of 2 ended: SIGKILL" in log) == (fault == "killed")
    assert TrainingResult.read(tmp_path / "out/training.json").epochs == EPOCHS
    nothing_left(tmp_path)


@pytest.mark.slow
def test_a_card_that_runs_out_of_memory_takes_the_next_rung(tmp_path: Path) -> None:
    rung = {"training": {"micro_batch_size": 4, "accumulate_grad_batches": 2}}
    ended = supervised(tmp_path, spec(tmp_path, "out of memory"), ladder=[rung])
    assert [(a["cause"], a["rung"]) for a in ended["attempts"]] == [("oom", 0), ("finished", 1)], ended
    assert TrainingResult.read(tmp_path / "out/training.json").steps == STEPS
    nothing_left(tmp_path)


@pytest.mark.slow
def test_every_card_ends_with_the_first(tmp_path: Path) -> None:
    run = spec(tmp_path, epochs=100_000)
    with (tmp_path / "said.txt").open("w") as said:
        first = subprocess.Popen(command(tmp_path, run), cwd=ROOT, env=environment(), stdout=said, stderr=said)
    try:
        wait_for(lambda: len(noted(tmp_path, 1)) > 3, seconds=LIMIT_S)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait(timeout=60)
    nothing_left(tmp_path)
    assert not (tmp_path / "out/training.json").exists()
