"""A run on the machine: its name, and what its progress line says."""

from __future__ import annotations

import contextlib
import csv
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gonogo.agent import lifecycle
from gonogo.base.digests import digest
from gonogo.base.errors import UserError
from gonogo.config.experiment import ExperimentConfig
from gonogo.remote.answers import GpuReading, Heartbeat, Launched, read
from gonogo.remote.run_request import RunRequest
from gonogo.report.success_criteria import files_to_monitor
from gonogo.runtime.context import Run
from gonogo.stages.held import StartedRun, started_file
from gonogo.stages.machine import workspace
from gonogo.stages.remote_run import (
    paid_run,
    run_key,
    run_name,
    saved_by,
    start_or_attach,
)
from gonogo.stages.run_progress import GAUGES_FILE, RunView, gpu_words, progress_line
from tests.stages.conftest import said
from tests.waiting import LIMIT_S


def test_an_order_says_nothing_that_the_agent_does_not_know() -> None:
    assert set(RunRequest.model_fields) == set(lifecycle.DEFAULTS)


def test_two_runs_of_one_second_have_folders_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda form: "20260101-000000")
    keys = [digest("fast", [], data)[:16] for data in ("one", "other")]
    assert len({run_name("fast", key) for key in keys} | {run_name("canary", key) for key in keys}) == 4


def test_memory_that_is_nearly_full_is_an_alarm() -> None:
    gpu = GpuReading(used_bytes=15.2e9, total_bytes=16e9, busy_percent=97.0, temperature_c=64.0)
    assert "MEMORY NEARLY FULL: use the next smaller micro_batch_size" in gpu_words(gpu)
    assert "NEARLY FULL" not in gpu_words(gpu.model_copy(update={"used_bytes": 12e9}))


def test_the_gpu_is_shown_while_steps_are_made() -> None:
    gpu = GpuReading(used_bytes=8e9, total_bytes=16e9, busy_percent=97.0, temperature_c=64.0)
    line = progress_line(Heartbeat(elapsed_s=60.0, usd=1.5, gpu=gpu), 120.0, "step 5/10")
    assert line == "1 min  2 min left  $1.50  8.00 GB of 16.00 GB, 97 % busy, 64 °C  step 5/10"
    assert "NOT WATCHED ON THE MACHINE FOR 2 min" in progress_line(Heartbeat(age_s=120.0), None, "step 5/10")
    assert "🟡 NO STEP FOR 5 min" in progress_line(Heartbeat(quiet_s=300.0), None, "step 5/10")
    assert "  $1.50 (machine $2.10)  8.00 GB" in progress_line(Heartbeat(usd=1.5, gpu=gpu), None, "", 2.1)


def test_what_is_shown_is_also_in_a_file_that_exists_while_the_run_is_under_way(tmp_path: Path) -> None:
    shown: list[str] = []
    view = RunView(shown.append, tmp_path / "cloud_train", lambda: 2.1)
    assert (tmp_path / "cloud_train" / GAUGES_FILE).exists()
    view.line("step 5/10  loss 0.5", 60.0)
    gpu = GpuReading(used_bytes=8e9, total_bytes=16e9, busy_percent=97.0, temperature_c=64.0)
    for elapsed_s in (60.0, 61.0):
        view.beat(Heartbeat(elapsed_s=elapsed_s, usd=1.5, gpu=gpu), 60.0)
    assert shown[-1] == "1 min 01 s  1 min left  $1.50 (machine $2.10)  8.00 GB of 16.00 GB, 97 % busy, 64 °C  " + (
        "step 5/10  loss 0.5"
    )
    (row,) = csv.DictReader((tmp_path / "cloud_train" / GAUGES_FILE).open())
    assert (row["elapsed_s"], row["run_usd"], row["machine_usd"]) == ("60.0", "1.5", "2.1")
    assert (row["gpu_memory_gb"], row["gpu_busy_percent"], row["gpu_temperature_c"]) == ("8.0", "97.0", "64.0")
    (tmp_path / "cloud_train" / "log.txt").touch()
    watched = {path.name for path, _ in files_to_monitor(tmp_path / "cloud_train")}
    assert watched == {"log.txt", "gauges.csv"}, "only those that are there now"


@pytest.mark.parametrize(("train", "folder"), [("t {data} {out}", "runs/one/out"), ("t {data}", "code")])
def test_a_script_s_checkpoints_are_looked_for_where_it_writes(
    stage_run: Callable[..., Run], train: str, folder: str
) -> None:
    run = stage_run("cloud_train")
    assert saved_by(run, f"{workspace(run)}/runs/one") is None, "a class's are in its own folder"
    config = {"command": {"train": train}, "kind": "text", "data": "corpora"}
    run.settings.experiments[run.experiment] = ExperimentConfig.model_validate(config)
    found = saved_by(run, f"{workspace(run)}/runs/one")
    assert found is not None and found.folder == f"{workspace(run)}/{folder}" and "*.safetensors" in found.patterns


# --- one run for one key ---------------------------------------------------------------------------------


class There:
    """A machine with prepared answers."""

    where = "me@box"

    def __init__(self, state: str, run_dir: str = "", key: str = "", **answers: Any) -> None:
        self.state, self.run_dir, self.key, self.answers = state, run_dir, key, answers
        self.launched: dict[str, Any] = {}

    def ask(self, kind: Any, command: str, *words: str, **options: Any) -> Any:
        return read(kind, self.answers[command], self.where)

    def launch(self, run_dir: str, **request: Any) -> Launched:
        self.launched = request
        return Launched(state=self.state, run_dir=self.run_dir or run_dir, key=self.key or request["key"])


VERIFIED = {"files": 3, "different": 0, "wrong": []}


@pytest.fixture
def run(stage_run: Callable[..., Run]) -> Run:
    return stage_run("cloud_train")


def attach(run: Run, there: There, kind: str = "mine") -> str:
    return start_or_attach(run, there, kind, "digest", [], [])  # type: ignore[arg-type]


def test_what_is_remembered_comes_from_the_machine_s_answer(run: Run) -> None:
    key = run_key("mine", "digest")
    found = f"mine/runs/20260101-000000_mine_{key[:6]}"
    there = There("done", found, active=None, verify=VERIFIED)
    assert attach(run, there) == found
    known = StartedRun.read(started_file(run.paths, "mine"))
    assert known is not None and (known.run_id, known.key) == (found.rpartition("/")[2], key)
    assert there.launched["once"], "a paid run is looked for in every folder"
    assert "which is done" in said(run)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_run_is_followed_though_a_full_disk_here_keeps_it_from_being_noted(run: Run) -> None:
    results = run.config.results_dir
    results.mkdir(parents=True)
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(results)], check=False, timeout=LIMIT_S
    ).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        with contextlib.suppress(OSError):
            (results / "ballast").write_bytes(bytes(1 << 20))
        found = attach(run, There("started", active=None, verify=VERIFIED))
    finally:
        subprocess.run(["umount", "-l", str(results)], check=True, timeout=LIMIT_S)
    assert found.startswith("mine/runs/") and "cannot be noted here" in said(run) and "the disk is full" in said(run)


def test_a_run_that_was_refused_is_not_remembered(run: Run) -> None:
    other = There("already", "mine/runs/20260101-000000_mine_abcdef", "abcdef", active=None, verify=VERIFIED)
    with pytest.raises(UserError, match="gonogo stop 20260101-000000_mine_abcdef"):
        attach(run, other, "canary")
    assert StartedRun.read(started_file(run.paths, "canary")) is None
    assert not other.launched["once"], "a canary is measured again when it is asked for again"


def test_the_paid_run_of_the_same_inputs_is_found(run: Run) -> None:
    known = [
        {"run_dir": "mine/runs/lost", "key": "k", "state": "lost", "cause": ""},
        {"run_dir": "other/runs/b", "key": "k", "state": "running", "cause": ""},
        {"run_dir": "mine/runs/c", "key": "k2", "state": "running", "cause": ""},
    ]
    assert paid_run(There("", runs=known), "mine", "k") is None  # type: ignore[arg-type]
    done = [*known, {"run_dir": "mine/runs/d", "key": "k", "state": "exited", "cause": "finished"}]
    assert paid_run(There("", runs=done), "mine", "k") == "d"  # type: ignore[arg-type]
    assert paid_run(There("", runs=done), "mine", "k", finished=False) is None  # type: ignore[arg-type]
