"""How a machine is released, what it keeps secret and what watching it costs."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.faults.training import RUN, brisk
from tests.remote.workspace import Workspace, end_all
from tests.waiting import wait_for


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workspace]:
    yield brisk(tmp_path)
    end_all(tmp_path)


def hook(work: Workspace, code: int = 0, **after: float | None) -> dict[str, Any]:
    script = f"echo called >> {work.folder}/calls; echo provider says no; exit {code}"
    return {"argv": ["sh", "-c", script], "collected_s": 0.0, "uncollected_s": 0.0, **after}


def calls(work: Workspace) -> int:
    path = work.folder / "calls"
    return len(path.read_text().splitlines()) if path.exists() else 0


WAYS_OUT: dict[str, tuple[list[str], dict[str, Any]]] = {
    "finished": (["true"], {}),
    "failed": (["false"], {}),
    "nan": (["sh", "-c", "exit 3"], {}),
    "killed": (["sh", "-c", "kill -9 $$"], {}),
    "over_time": (["sleep", "60"], {"max_s": 1}),
    "over_cost": (["sleep", "60"], {"usd_per_hour": 3600, "max_usd": 1}),
    "lease_lost": (["sleep", "60"], {"lease_s": 1}),
    "stalled": (["sleep", "60"], {"first_s": 1}),
}


def test_release_command_runs_once_on_every_way_out(work: Workspace, tmp_path: Path) -> None:
    each = {cause: brisk(tmp_path / cause) for cause in [*WAYS_OUT, "stopped", "agent_lost"]}
    for cause, there in each.items():
        argv, limits = WAYS_OUT.get(cause, (["sleep", "60"], {}))
        there.launch(argv, release=hook(there), **limits)
    each["stopped"].call("stop", RUN)
    os.kill(each["agent_lost"].beat()["pid"], signal.SIGKILL)
    for cause, there in each.items():
        assert there.ended()["cause"] == cause
        wait_for((there.folder / RUN / "release.json").exists)
    time.sleep(0.8)  # some more looks of both processes
    assert {cause: calls(there) for cause, there in each.items()} == dict.fromkeys(each, 1)
    assert work.call("status", f"finished/{RUN}")["release"]["code"] == 0


def test_release_waits_for_the_results_or_for_as_long_as_the_order_says(work: Workspace, tmp_path: Path) -> None:
    each = {name: brisk(tmp_path / name) for name in ("kept", "fetched", "vanished")}
    patience: dict[str, dict[str, float | None]] = {
        "kept": {"uncollected_s": None},
        "fetched": {"uncollected_s": None, "collected_s": 0.0},
        "vanished": {"uncollected_s": 2.0},
    }
    for name, there in each.items():
        there.launch(["true"], release=hook(there, **patience[name]))
        there.ended()
    assert sum(calls(there) for there in each.values()) == 0
    each["fetched"].call("collected", RUN)
    for name in ("fetched", "vanished"):
        wait_for(lambda name=name: calls(each[name]) == 1)  # type: ignore[misc]
    time.sleep(1.2)
    assert {name: calls(there) for name, there in each.items()} == {"kept": 0, "fetched": 1, "vanished": 1}


def test_release_waits_for_other_runs_on_the_machine(work: Workspace) -> None:
    waits = f"until [ -e {work.folder}/go ]; do sleep 0.1; done"
    work.launch(["sh", "-c", waits], run="b/one", workspace="b")
    work.launch(["true"], run="a/one", workspace="a", release=hook(work))
    work.ended("a/one")
    process = work.start("release", "a/one")
    assert "b/one is still running here" in process.communicate(timeout=120)[1]
    time.sleep(0.6)  # two looks of the first run's timer
    assert calls(work) == 0
    (work.folder / "go").touch()
    work.ended("b/one")
    wait_for(lambda: calls(work) == 1)


def test_release_that_fails_is_tried_again_and_told(work: Workspace) -> None:
    work.impatient(RELEASE_PAUSE_S=0.1)
    work.launch(["true"], release=hook(work, code=7, uncollected_s=None))
    work.ended()
    found = work.call("release", RUN)
    assert (found["code"], found["tries"], found["said"]) == (7, 3, "provider says no")
    assert work.call("release", RUN) == found, "asked again, it is not run again"
    assert calls(work) == 3


def test_secrets_of_an_order_are_in_no_file_that_others_read_and_in_no_command_line(work: Workspace) -> None:
    secret = "hunter2-" + "x" * 20
    work.launch(["sh", "-c", 'test -n "$TOKEN"; echo $?; sleep 60'], environment={"TOKEN": secret})
    mine = [psutil.Process(work.beat()[name]) for name in ("pid", "child_pid")]
    assert not [word for process in mine for word in process.cmdline() if secret in word]
    held = [path for path in work.folder.rglob("*") if path.is_file() and secret in path.read_text(errors="replace")]
    assert held == [work.folder / RUN / ".order.json"]
    assert held[0].stat().st_mode & 0o777 == 0o600
    assert list(work.call("manifest", RUN)) == sorted(
        path.name for path in (work.folder / RUN).iterdir() if not path.name.startswith(".")
    )
    work.call("stop", RUN)
    work.ended()
    assert secret not in held[0].read_text(), "forgotten when the run has ended"
    assert work.log()[0] == "0"


def test_what_watching_costs(work: Workspace) -> None:
    """Both processes together: at most 30 MB, and 0.5 % of a core, while a run says a line a second."""
    work.environment.clear()
    work.launch(["sh", "-c", "while :; do echo step; sleep 1; done"], max_s=60)
    pids = [work.beat()["pid"], json.loads((work.folder / RUN / "timer.json").read_text())["pid"]]
    both = [psutil.Process(pid) for pid in pids]
    time.sleep(1)
    before = sum(sum(process.cpu_times()[:2]) for process in both)
    time.sleep(4)
    share = (sum(sum(process.cpu_times()[:2]) for process in both) - before) / 4
    assert share <= 0.01, f"{share:.2%}"  # the clock ticks at 10 ms: the figure itself is in docs/reliability.md
    assert sum(process.memory_full_info().pss for process in both) <= 30e6
