"""A killed workflow loses nothing: the paid run goes on without it, and the next invocation attaches to that run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.workflow.conftest import Site, make_site

pytestmark = pytest.mark.slow
LONG = ("--config", "experiments=tiny", "mode=long")


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.2)


def server_pid(site: Site) -> int:
    return json.loads((site.folder / "results/instance/instance.json").read_text())["pid"]


def training_runs(site: Site) -> set[Path]:
    return {path for path in (site.folder / "results/instance").rglob("runs/*") if "_long_" in path.name}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return make_site(tmp_path_factory.mktemp("reattach"))


def test_killed_during_cloud_train_the_next_invocation_attaches(shared: Site) -> None:
    log = shared.folder / "results/tiny/long/cloud_train/log.txt"
    log.unlink(missing_ok=True)
    earlier = training_runs(shared)
    killed = shared.start(*LONG)
    wait_for(lambda: log.exists() and "step" in log.read_text(), 200, "the paid run's first step")
    server = server_pid(shared)
    killed.kill()
    assert killed.wait(timeout=60) != 0
    wait_for(lambda: not psutil.pid_exists(server), 10, "the embedded server's end")
    (run,) = training_runs(shared) - earlier
    agent = json.loads((run / "heartbeat.json").read_text())["pid"]
    assert psutil.pid_exists(agent), "the paid run should go on without us"
    done = shared.run(*LONG)
    assert done.returncode == 0, done.stderr
    assert f"attached to {run.name}" in done.stderr
    assert training_runs(shared) - earlier == {run}
    assert [path for path in (shared.folder / "archive/tiny").iterdir() if run.name in path.name]
    steps = [line for line in log.read_text().splitlines() if "step 1/" in line]
    assert len(steps) == 1, "the log is shown from its beginning, and the run was started once"
