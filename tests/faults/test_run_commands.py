"""`gonogo attach`, `stop` and `release` beside a run; Ctrl-C lets go of it and ends nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gonogo.config.target import Target
from gonogo.remote import embedded_server
from gonogo.remote.machine import connect
from tests.conftest import ROOT
from tests.faults.training import RESUMABLE, TRAINING
from tests.remote.workspace import end_all
from tests.waiting import line_with, wait_for


@dataclass
class Folder:
    """A workflow's folder, with a paid run that its embedded machine is at work on."""

    path: Path

    def command(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "gonogo", *words],
            cwd=self.path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def run(self) -> Path:
        return self.path / "results/instance/home/gonogo/cvs/runs/r1"

    def state(self) -> str:
        with connect(
            embedded_server.ensure(self.path / "results/instance", os.getpid()), Target(python="this")
        ) as machine:
            return str(machine.run_agent("status", "cvs/runs/r1")["state"])


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Folder]:
    """With a run that takes two minutes, or 40 times the seconds of the parameter."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    state = tmp_path / "results/cvs/validate/cloud_train/validate.started.json"
    state.parent.mkdir(parents=True)
    state.write_text(json.dumps({"key": "k", "run_id": "r1", "target": "local"}))
    with connect(embedded_server.ensure(tmp_path / "results/instance", os.getpid()), Target(python="this")) as machine:
        machine.install_agent()
        arguments = ["-c", TRAINING, f"time.sleep({getattr(request, 'param', 3.0)})"]
        machine.launch("cvs/runs/r1", key="k", workspace="cvs", arguments=arguments, usd_per_hour=360, **RESUMABLE)
    yield Folder(tmp_path)
    end_all(tmp_path)
    embedded_server.stop(tmp_path / "results/instance")


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_once_and_twice_lets_go_and_the_run_goes_on(folder: Folder, times: int) -> None:
    watching = folder.command("attach", "cvs")
    line_with(watching, "step")
    for _ in range(times):
        watching.send_signal(signal.SIGINT)
        time.sleep(0.05)
    _, said = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert "detached; r1 continues on the machine" in said and "Traceback" not in said
    assert folder.state() == "running"


@pytest.mark.parametrize("folder", [0.5], indirect=True)  # 20 s: still running after a slow start of `attach`
def test_attach_to_the_end(folder: Folder) -> None:
    out, said = folder.command("attach").communicate(timeout=120)
    assert "step 40" in out
    *lines, ended = said.splitlines()
    assert any(re.fullmatch(r"[0-9.]+ s  (< )?\$[0-9.]+", line) for line in lines), said
    assert ended.startswith("r1: finished") and "$" in ended


def test_stop_and_what_attach_says_then(folder: Folder) -> None:
    out, _ = folder.command("stop", "r1").communicate(timeout=60)
    assert out == "r1 was told to stop\n"
    wait_for((folder.run / "exit.json").exists)
    watching = folder.command("attach", "r1")
    _, said = watching.communicate(timeout=60)
    assert watching.returncode == 1
    assert "it was stopped (signal 15)" in said


def test_a_folder_that_knows_nothing_of_the_run_attaches_to_it_and_stops_it(folder: Folder) -> None:
    (folder.path / "results/cvs/validate/cloud_train/validate.started.json").unlink()
    watching = folder.command("attach")
    line_with(watching, "step")
    unnamed = folder.command("stop")
    assert "known here: none; on the machine: r1" in unnamed.communicate(timeout=60)[1] and unnamed.returncode == 1
    assert folder.command("stop", "cvs").communicate(timeout=60)[0] == "r1 was told to stop\n"
    assert "it was stopped" in watching.communicate(timeout=60)[1]
    again = folder.command("stop", "r1")
    assert again.communicate(timeout=60)[0] == "r1 is not running (exited)\n" and again.returncode == 1


def test_names_that_are_not_there(folder: Folder) -> None:
    stopping = folder.command("stop", "r2")
    assert "no run 'r2' on target local; known here: r1; on the machine: r1" in stopping.communicate(timeout=60)[1]
    assert stopping.returncode == 1
    assert "no machine of target local is held" in folder.command("release").communicate(timeout=60)[0]
