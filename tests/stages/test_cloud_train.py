"""What becomes of the paid run: its report, or its remains and the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gonogo.base.errors import UserError
from gonogo.forecast.forecast import Forecast
from gonogo.memory.judge import Measurements as MemoryMeasurements
from gonogo.memory.plan_search import explore
from gonogo.remote.answers import Exit, read
from gonogo.remote.transfer import Transfer
from gonogo.runtime.context import Run
from gonogo.stages import cloud_train as stage_module
from gonogo.stages.cloud_train import cloud_train
from gonogo.stages.held import StartedRun, started_file
from tests.memory.cards import card, estimator
from tests.stages.conftest import Files, said
from tests.stages.test_canary import ANY, RESULT


def exit_of(*causes: str) -> Exit:
    attempts = [{"cause": cause, "code": 1, "signal": None, "cpu": False} for cause in causes]
    facts = {"code": 1, "signal": None, "elapsed_s": 3600, "usd": 0, "attempts": attempts}
    return read(Exit, {**facts, "cause": causes[-1]}, "box")


@pytest.fixture
def train(stage_run: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Exit], Run]:
    """The stage, with a run on the machine that ends like this; returns the stage's `Run`."""
    run = stage_run("cloud_train")
    run.settings.target.usd_per_hour = 2.0
    small = card(16)
    memory, forecast = tmp_path / "memory.json", tmp_path / "forecast.json"
    MemoryMeasurements(accelerator=small, explored=explore(estimator(small), run.asked_training, small)).write(memory)
    planned = {"steps": 100, "step_s": ANY, "hours": ANY, "usd": ANY, "setup_hours": ANY, "around_hours": ANY}
    forecast.write_text(Forecast(**planned, usd_per_hour=2, basis="-").model_dump_json())
    kept = tmp_path / "archive/mine/kept"
    (kept / "out").mkdir(parents=True)
    (kept / "out/training.json").write_text(RESULT.model_copy(update={"stopped": "the loss rises"}).model_dump_json())
    StartedRun("r", "k", "local").write(started_file(run.paths, "mine"))

    def staged(ended: Exit) -> Run:
        def run_to_end(run: Run, kind: str, inputs_digest: str, **terms: Any) -> tuple[str, Exit]:
            assert kind == "mine" and terms["planned_hours"] == 2
            return "mine/runs/r", ended

        monkeypatch.setattr(stage_module, "confirm_up_to", lambda digests, last: [])
        monkeypatch.setattr(stage_module, "run_to_end", run_to_end)
        monkeypatch.setattr(stage_module, "training_result", lambda run, run_dir: RESULT)
        brought = Transfer(1, 1, 1, 1, 1.0, "-", missing=staged.missing, folder=str(kept))  # type: ignore[attr-defined]
        monkeypatch.setattr(stage_module, "fetch", lambda run, run_dir, name: brought)
        cloud_train(run, Files(memory=memory, forecast=forecast), Files(run=run.paths.paid_run))
        return run

    staged.run, staged.missing = run, {}  # type: ignore[attr-defined]
    return staged


def test_a_finished_run_is_reported_with_its_cost_and_its_attempts(train: Any) -> None:
    run = train(exit_of("oom", "finished"))
    report = json.loads(run.paths.paid_run.read_text())
    assert (report["run_id"], report["usd"], report["result"]["steps"]) == ("r", 2.0, 12)
    assert run.usd == 2.0 and not started_file(run.paths, "mine").exists()
    assert "CAUTION: resumed after it ran out of memory" in said(run)


def test_a_run_that_was_killed_is_fetched_and_can_resume(train: Any) -> None:
    with pytest.raises(UserError, match=r"ended after 1 h and \$2.00: it was killed .* are in .*archive/mine/kept"):
        train(exit_of("killed"))
    kept = StartedRun.read(started_file(train.run.paths, "mine"))
    assert kept is not None and kept.ended == "killed" and not train.run.paths.paid_run.exists()


def test_a_run_of_which_something_is_missing_stays_unfetched(train: Any) -> None:
    train.missing = {"best.ckpt": "a link to /scratch/best.ckpt"}
    with pytest.raises(UserError, match="ended after"):
        train(exit_of("nan"))
    kept = StartedRun.read(started_file(train.run.paths, "mine"))
    assert kept is not None and not kept.ended, "so its machine is held"


def test_one_that_the_gate_stopped_says_what_the_gate_said_and_is_forgotten(train: Any) -> None:
    with pytest.raises(UserError, match=r"The gate: the loss rises\. Fix that"):
        train(exit_of("stopped_by_gate"))
    assert not started_file(train.run.paths, "mine").exists()


def test_a_known_error_in_the_runs_log_is_told_with_what_helps(train: Any) -> None:
    (Path("archive/mine/kept") / "log.txt").write_text("step 3/9\ntorch.OutOfMemoryError: CUDA out of memory.\n")
    with pytest.raises(UserError, match=r"Its log says: torch.OutOfMemoryError.*Halve micro_batch_size") as told:
        train(exit_of("failed"))
    assert "Its log and checkpoints are in" in str(told.value)
