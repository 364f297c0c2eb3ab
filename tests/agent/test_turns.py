"""One thing at a time on the machine, whichever experiments use it; and it stays on while anything is under way."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.training import brisk
from tests.remote.workspace import Workspace, end_all
from tests.waiting import LIMIT_S, wait_for


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workspace]:
    yield brisk(tmp_path)
    end_all(tmp_path)


def waiting(work: Workspace, name: str) -> str:
    """A command that runs until the file `name` is there."""
    return f"until [ -e {work.folder}/{name} ]; do sleep 0.05; done"


def launch(work: Workspace, run: str, shell: str, **request: Any) -> Any:
    return work.launch(["sh", "-c", shell], run=run, workspace=run.partition("/")[0], alone=True, **request)


def test_a_run_waits_for_another_experiments_run_and_begins_when_it_ends(work: Workspace) -> None:
    launch(work, "cvs/runs/one", waiting(work, "go"))
    for _ in range(2):
        assert launch(work, "eeg/runs/one", "true") == {"state": "waiting", "run_dir": "cvs/runs/one", "key": ""}
    assert work.call("turn", "eeg/runs/one") == {"waiting_for": "cvs/runs/one"}
    assert launch(work, "cvs/runs/two", "true")["state"] == "already", "of its own experiment it is no queue"
    assert not (work.folder / "eeg/runs/one/run.json").exists()
    (work.folder / "go").touch()
    work.ended("cvs/runs/one")
    wait_for(lambda: launch(work, "eeg/runs/one", "true")["state"] == "started")
    work.ended("eeg/runs/one")
    wait_for(lambda: not work.call("busy", ".")["runs"])
    launch(work, "cvs/runs/three", waiting(work, "never"))
    assert launch(work, "eeg/runs/one", "true")["state"] == "done", "what has finished waits for nothing"
    assert work.call("turn", "eeg/runs/one") == {"waiting_for": ""}


def test_between_a_supervisor_s_death_and_its_replacement_nobody_else_begins(work: Workspace) -> None:
    work.impatient(BEAT_S=3.0)
    launch(work, "cvs/runs/one", waiting(work, "go"), resume=["--from", "{checkpoint}"])
    os.kill(work.beat("cvs/runs/one")["pid"], signal.SIGKILL)
    wait_for(lambda: work.call("active", "cvs") is None)
    assert launch(work, "eeg/runs/one", "true")["state"] == "waiting"


def test_what_installs_packages_waits_for_a_run_and_a_run_for_it(work: Workspace) -> None:
    (work.folder / "requirements.txt").write_text("a-package\n")
    launch(work, "cvs/runs/one", waiting(work, "go"))
    setup = ("setup", "--requirements", "requirements.txt")
    assert work.call(*setup) == {"waiting_for": "cvs/runs/one"}
    assert not (work.folder / "env").exists()
    (work.folder / "go").touch()
    work.ended("cvs/runs/one")
    wait_for(lambda: not work.call("busy", ".")["runs"])
    with (work.folder / ".env.lock").open("w") as other:  # another client's setup
        fcntl.flock(other, fcntl.LOCK_EX)
        assert launch(work, "eeg/runs/one", "true") == {"state": "waiting", "run_dir": "a setup", "key": ""}


def test_what_would_be_lost_with_the_machine_is_told_of_every_workspace(work: Workspace) -> None:
    assert work.call("busy", ".") == {"runs": [], "unfetched": [], "under_way": ""}
    for run, keep in (("cvs/runs/paid", True), ("cvs/runs/canary", False), ("eeg/runs/fetched", True)):
        wait_for(lambda run=run, keep=keep: launch(work, run, "true", keep=keep)["state"] == "started")  # type: ignore[misc]
        work.ended(run)
    work.call("collected", "eeg/runs/fetched")
    wait_for(lambda: not work.call("busy", ".")["runs"])
    launch(work, "eeg/runs/at work", waiting(work, "never"))
    assert work.call("busy", ".") == {"runs": ["eeg/runs/at work"], "unfetched": ["cvs/runs/paid"], "under_way": ""}


def test_it_does_not_switch_itself_off_during_an_upload_and_the_minutes_count_from_the_download(
    work: Workspace, tmp_path: Path
) -> None:
    watched, brief = brisk(tmp_path / "watched"), brisk(tmp_path / "brief")
    each = {"upload": work, "download": watched, "brief use": brief}
    calls = {name: there.folder / "calls" for name, there in each.items()}
    for name, there in each.items():
        patience_s = 6 if there is brief else 3
        terms = {
            "argv": ["sh", "-c", f"echo called >> {calls[name]}"],
            "collected_s": patience_s,
            "uncollected_s": None,
        }
        launch(there, "cvs/runs/one", "true", release=terms)
        there.ended("cvs/runs/one")
    upload = work.start_open("receive", "eeg", "--owner=them")
    wait_for(lambda: work.call("busy", ".")["under_way"] == "an upload")
    time.sleep(3)
    fetched = time.monotonic()
    for there in each.values():
        there.call("collected", "cvs/runs/one")
    assert "an upload is under way" in work.start("release", "cvs/runs/one").communicate(timeout=60)[1]
    wait_for(calls["download"].exists)
    assert time.monotonic() - fetched > 2, "they count from the download"
    used = brief.folder / ".use.lock"
    os.utime(used)  # as a command leaves it that was too brief to be seen at work
    assert not calls["upload"].exists(), "an upload is under way"
    upload.kill()
    upload.wait(timeout=LIMIT_S)
    ended = time.monotonic()
    wait_for(calls["upload"].exists)
    assert time.monotonic() - ended > 1, "they count from what was done here last"
    wait_for(calls["brief use"].exists)
    assert calls["brief use"].stat().st_mtime - used.stat().st_mtime > 4.5, "brief use counts as well"
    end_all(watched.folder)
    end_all(brief.folder)


def test_targets_with_other_roots_on_the_same_machine_take_turns_and_keep_it_on(
    work: Workspace, tmp_path: Path
) -> None:
    other = brisk(tmp_path / "other")
    other.environment["GONOGO_AGENT_HOME"] = work.environment["GONOGO_AGENT_HOME"]
    calls = other.folder / "calls"
    terms = {"argv": ["sh", "-c", f"echo called >> {calls}"], "collected_s": 1.5, "uncollected_s": None}
    launch(other, "eeg/runs/first", "true", release=terms)
    other.ended("eeg/runs/first")
    wait_for(lambda: launch(work, "cvs/runs/one", waiting(work, "go"))["state"] == "started")
    held = "../cvs/runs/one"
    assert launch(other, "eeg/runs/one", "true") == {"state": "waiting", "run_dir": held, "key": ""}
    assert other.call("turn", "eeg/runs/one") == {"waiting_for": held}
    assert other.call("busy", ".")["runs"] == [held]
    other.call("collected", "eeg/runs/first")
    assert "still running here" in other.start("release", "eeg/runs/first").communicate(timeout=60)[1]
    (other.folder / "requirements.txt").write_text("a-package\n")
    assert other.call("setup", "--requirements", "requirements.txt") == {"waiting_for": held}
    time.sleep(2)
    assert not calls.exists(), "it is not switched off under the other's run"
    (work.folder / "go").touch()
    work.ended("cvs/runs/one")
    wait_for(calls.exists)
    ended_at = (work.folder / "cvs/runs/one/exit.json").stat().st_mtime
    assert calls.stat().st_mtime - ended_at > 1, "its patience counts from the other's end"
    wait_for(lambda: not other.call("busy", ".")["runs"])
    assert "../cvs/runs/one" in other.call("busy", ".")["unfetched"], "what would be lost is the whole machine's"
    with (work.folder / ".env.lock").open("w") as setup:
        fcntl.flock(setup, fcntl.LOCK_EX)
        assert other.call("turn", "eeg/runs/one") == {"waiting_for": "a setup"}
    wait_for(lambda: launch(other, "eeg/runs/one", "true")["state"] == "started")
    end_all(other.folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_home_that_is_full_keeps_no_run_from_beginning(work: Workspace, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=4", "tmpfs", str(home)]
    if subprocess.run(words, check=False, capture_output=True, timeout=LIMIT_S).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        work.environment["GONOGO_AGENT_HOME"] = str(home)
        (home / ".gonogo" / os.uname().nodename).mkdir(parents=True)
        with contextlib.suppress(OSError):
            for number in range(4):
                (home / str(number)).touch()
        assert work.call("turn", "cvs/runs/one") == {"waiting_for": ""}
        launch(work, "cvs/runs/one", "true")
        assert work.ended("cvs/runs/one")["cause"] == "finished"
        assert work.call("busy", ".")["unfetched"] == ["cvs/runs/one"]
    finally:
        end_all(work.folder)
        subprocess.run(["umount", "-l", str(home)], check=True, timeout=LIMIT_S)
