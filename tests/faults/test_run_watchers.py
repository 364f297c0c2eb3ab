"""What the agent's two watchers survive: each fault happens for real, to real processes."""

from __future__ import annotations

import json
import os
import resource
import shlex
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gonogo.agent import processes as agent_processes
from gonogo.agent import run_folder
from gonogo.agent.gpu import Gpu
from gonogo.agent.supervisor import RESTARTS
from gonogo.base import processes
from gonogo.remote.agent_archive import NAME
from tests.faults.training import ONCE, RESUMABLE, RUN, brisk, counts, launch, said
from tests.remote.workspace import Workspace, end_all
from tests.waiting import wait_for


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workspace]:
    yield brisk(tmp_path)
    end_all(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_agent_killed_is_replaced_and_the_run_goes_on(work: Workspace, number: signal.Signals) -> None:
    work.impatient(GRACE_S=1.0)
    launch(work, "time.sleep(0.05)")
    wait_for(lambda: "step 12" in work.log())
    first = work.beat()
    os.kill(first["pid"], number)
    ended = work.ended()
    assert [attempt["cause"] for attempt in ended["attempts"]] == ["agent_lost", "finished"]
    assert not processes.alive(first["child_pid"])
    assert counts(work)


def test_agent_killed_takes_grandchildren_along(work: Workspace) -> None:
    worker = "import subprocess; subprocess.Popen(['sh', '-c', 'echo $$ > out/worker; exec sleep 60']); "
    launch(work, ONCE + worker + "time.sleep(60)")
    path = work.folder / RUN / "out/worker"
    wait_for(lambda: path.exists() and path.read_text())
    os.kill(work.beat()["pid"], signal.SIGKILL)
    assert work.ended()["cause"] == "finished"
    assert not processes.alive(int(path.read_text()))


def test_agent_killed_while_it_stops_a_run_does_not_start_it_again(work: Workspace) -> None:
    work.launch(["sh", "-c", "trap '' TERM; echo step; while :; do sleep 0.1; done"], **RESUMABLE)
    work.call("stop", RUN)
    wait_for(lambda: work.beat()["reason"] == "stopped")
    os.kill(work.beat()["pid"], signal.SIGKILL)
    assert work.ended()["cause"] == "stopped"


def test_watchers_replace_each_other_without_the_agent_s_archive(work: Workspace) -> None:
    launch(work, "time.sleep(0.1)")
    wait_for(lambda: "step 12" in work.log())
    (work.folder / NAME).write_bytes(b"another version, cut off")
    os.kill(json.loads((work.folder / RUN / "timer.json").read_text())["pid"], signal.SIGKILL)
    wait_for(lambda: "[agent] the second timer had died and was restarted" in work.log())
    os.kill(work.beat()["pid"], signal.SIGKILL)
    ended = work.ended()
    assert [attempt["cause"] for attempt in ended["attempts"]] == ["agent_lost", "finished"]


def test_timer_killed_is_restarted(work: Workspace) -> None:
    launch(work, "time.sleep(0.1)")
    timer = json.loads((work.folder / RUN / "timer.json").read_text())
    os.kill(timer["pid"], signal.SIGKILL)
    wait_for(lambda: "[agent] the second timer had died and was restarted" in work.log())
    assert work.call("status", RUN)["timer"]


FROZEN_LIMITS: dict[str, dict[str, float]] = {
    "over_time": {"max_s": 1},
    "over_cost": {"usd_per_hour": 3600, "max_usd": 1},
    "lease_lost": {"lease_s": 1},
}


@pytest.mark.parametrize("cause", FROZEN_LIMITS)
def test_limits_hold_for_a_frozen_agent(work: Workspace, cause: str) -> None:
    work.impatient(GRACE_S=0.5, TIMER_MARGIN_S=0.5)
    work.launch(["sleep", "60"], **FROZEN_LIMITS[cause])
    os.kill(work.beat()["pid"], signal.SIGSTOP)
    assert work.ended()["cause"] == cause
    wait_for(lambda: not processes.alive(work.beat()["child_pid"]))


def test_frozen_agent_is_replaced_and_the_run_goes_on(work: Workspace) -> None:
    work.impatient(FROZEN_S=2.0)
    launch(work, "time.sleep(0.05)", lease_s=60)
    wait_for(lambda: "step 12" in work.log())
    os.kill(work.beat()["pid"], signal.SIGSTOP)
    ended = work.ended()
    assert [attempt["cause"] for attempt in ended["attempts"]] == ["agent_lost", "finished"]
    assert "done" in work.log()


def test_an_agent_that_cannot_write_its_heartbeat_is_not_frozen(work: Workspace) -> None:
    work.impatient(FROZEN_S=2.0)
    work.launch(["sleep", "60"])
    resource.prlimit(work.beat()["pid"], resource.RLIMIT_FSIZE, (0, 0))
    wait_for(lambda: work.call("status", RUN)["heartbeat"]["age_s"] > 4.0)
    assert processes.alive(work.beat()["child_pid"])


def test_both_frozen_the_client_s_next_look_replaces_them(work: Workspace) -> None:
    launch(work, "time.sleep(0.05)")
    wait_for(lambda: "step 12" in work.log())
    timer = json.loads((work.folder / RUN / "timer.json").read_text())
    for pid in (timer["pid"], work.beat()["pid"]):
        os.kill(pid, signal.SIGSTOP)
    assert work.call("adopt", RUN)["state"] == "running", "for as long as it may be a hiccup"
    work.impatient(FROZEN_S=1.0)
    wait_for(lambda: work.call("status", RUN)["heartbeat"]["age_s"] > 1.0)
    assert work.call("adopt", RUN)["state"] == "adopted"
    assert [attempt["cause"] for attempt in work.ended()["attempts"]] == ["agent_lost", "finished"]


def test_the_lease_runs_on_while_the_agent_is_replaced(work: Workspace) -> None:
    launch(work, "time.sleep(0.2)", lease_s=4.0)
    wait_for(lambda: work.beat()["unwatched_s"] > 2.0)
    os.kill(work.beat()["pid"], signal.SIGKILL)
    wait_for(lambda: work.beat()["restarts"] == 1)
    assert work.beat()["unwatched_s"] > 2.0
    assert work.ended()["cause"] == "lease_lost"


def test_no_timer_no_run(work: Workspace) -> None:
    (work.folder / RUN / ".timer.lock").mkdir(parents=True)
    process = work.start("launch", RUN, stdin=json.dumps({"key": "k", "argv": ["touch", "ran"]}))
    assert "the second timer did not start" in process.communicate(timeout=120)[1]
    assert process.returncode == 1
    assert not (work.folder / RUN / "ran").exists()


def test_reboot_the_same_file_takes_the_run_up_again(work: Workspace) -> None:
    launch(work, "time.sleep(0.05)")
    wait_for(lambda: "step 12" in work.log())
    end_all(work.folder)
    beat = {**work.beat(), "boot": "another", "born": "another 1", "restarts": RESTARTS}  # a reboot is not counted
    (work.folder / RUN / "heartbeat.json").write_text(json.dumps(beat))
    wait_for(lambda: work.call("status", RUN)["state"] == "lost")
    assert work.call("adopt", ".") == {RUN: "adopted"}
    assert work.call("adopt", ".") == {RUN: "running"}
    assert work.ended()["cause"] == "finished"
    assert counts(work)
    assert work.ended()["elapsed_s"] >= beat["elapsed_s"]
    assert work.call("adopt", ".") == {RUN: "exited"}


def test_launch_after_a_crash_resumes(work: Workspace) -> None:
    launch(work, ONCE + "sys.exit(1)")
    assert work.ended()["cause"] == "failed"
    launch(work, ONCE + "sys.exit(1)")
    wait_for(lambda: "done" in work.log())
    assert "resumed at 10 with {}" in said(work)


def test_stale_lock_of_another_boot_holds_nothing(work: Workspace) -> None:
    (work.folder / ".run.lock").write_text(json.dumps({"run_dir": str(work.folder / "runs/old"), "key": "old"}))
    assert work.launch(["true"])["state"] == "started"


# a second after each of the agent's programs begins
CLOCK_SET = """
import time
real, began = time.time, time.monotonic()
time.time = lambda: real() + (3600 if time.monotonic() - began > 1 else 0)
"""


def test_clock_set_an_hour_forward_ends_nothing(work: Workspace, tmp_path: Path) -> None:
    """A lease is renewed by a file's time: that of a clock that is off, or was set, must not count as silence."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set/sitecustomize.py").write_text(CLOCK_SET)
    work.environment["PYTHONPATH"] = str(tmp_path / "set")
    work.launch(["sleep", "2.5"], lease_s=60, max_s=60)
    for offset_s in (-3600, 3600):
        os.utime(work.folder / RUN / "lease", (time.time() + offset_s,) * 2)
        time.sleep(1.1)
    ended = work.ended()
    assert ended["cause"] == "finished" and ended["elapsed_s"] < 1800


@pytest.mark.parametrize("hours", [-10, 10])
@pytest.mark.parametrize("boot", ["the same", "another"])
def test_a_clock_that_was_set_while_the_agent_was_gone_costs_nothing(
    monkeypatch: pytest.MonkeyPatch, hours: float, boot: str
) -> None:
    """After a reboot the wall clock is the only one, and is believed as far as the machine can have been off."""
    monkeypatch.setattr(run_folder, "clock_s", lambda: 40.0 if boot == "another" else 500.0)
    beat = {"elapsed_s": 100.0, "at": time.time() - 3600 * hours, "clock_s": 470.0, "boot": agent_processes.boot()}
    if boot == "another":
        beat |= {"boot": "another", "clock_s": 100_000.0}
    lost_s = run_folder.past_of(beat)["elapsed_s"] - 100.0
    assert lost_s == 30.0 if boot == "the same" else 0.0 <= lost_s <= 40.0 + 600.0


@pytest.mark.parametrize("answer", ["{}", "[]", "null", '{"card0": null}', "", "nan, nan, nan, nan", "x" * 1000])
@pytest.mark.parametrize("tool", ["nvidia-smi", "rocm-smi"])
def test_whatever_a_gpu_s_tool_answers_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str, answer: str
) -> None:
    (tmp_path / tool).write_text(f"#!/bin/sh\nprintf %s {shlex.quote(answer)}\n")
    (tmp_path / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    gpu = Gpu(every_s=60.0)
    assert gpu.query is not None
    assert gpu.look() is None
    assert gpu.asking is not None
    gpu.asking.wait(timeout=60)
    assert gpu.look() is None
    assert gpu.asking is None, "the answer was read"
