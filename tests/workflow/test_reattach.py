"""A killed workflow loses nothing: the paid run goes on without it, and the next invocation attaches to that run."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.workflow.conftest import Site

pytestmark = pytest.mark.slow
LONG = ("--config", "experiments=tiny", "mode=long")


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.2)


def server_pid(site: Site) -> int:
    return json.loads((site.folder / "results/instance/instance.json").read_text())["pid"]


def training_runs(site: Site) -> list[Path]:
    return [path for path in (site.folder / "results/instance").rglob("runs/*") if "_long_" in path.name]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_during_cloud_train_the_next_invocation_attaches(fresh: Site, how: signal.Signals) -> None:
    log = fresh.folder / "results/tiny/long/cloud_train/log.txt"
    killed = fresh.start(*LONG)
    wait_for(lambda: log.exists() and "step" in log.read_text(), 200, "the paid run's first step")
    server = server_pid(fresh)
    if how is signal.SIGINT:
        os.killpg(killed.pid, how)  # as a terminal does
    else:
        killed.send_signal(how)
    assert killed.wait(timeout=60) != 0
    wait_for(lambda: not psutil.pid_exists(server), 10, "the embedded server's end")
    (run,) = training_runs(fresh)
    (agent_pid,) = [json.loads((run / "heartbeat.json").read_text())["pid"]]
    assert psutil.pid_exists(agent_pid), "the paid run should go on without us"
    done = fresh.run(*LONG)
    assert done.returncode == 0, done.stderr
    assert "attached to" in done.stderr
    assert training_runs(fresh) == [run]
    (archive,) = (fresh.folder / "archive/tiny").iterdir()
    assert run.name in archive.name
    steps = [line for line in log.read_text().splitlines() if "step 1/" in line]
    assert len(steps) == 1, "the log is shown from its beginning, and the run was started once"
