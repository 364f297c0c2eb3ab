"""A process's death is noticed at once, whichever process is its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time

import pytest

from gonogo.base import processes
from tests.waiting import LIMIT_S


def _grandchild() -> int:
    """Pid of a sleeping process that is not our child."""
    started = subprocess.run(
        ["/bin/sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"], stdout=subprocess.PIPE, check=True, timeout=LIMIT_S
    )
    return int(started.stdout)


@pytest.mark.parametrize("pidfd", [True, False])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_calls_back_when_a_stranger_dies(pidfd: bool, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if not pidfd:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    pid, gone = _grandchild(), threading.Event()
    processes.watch(pid, gone.set)
    assert not gone.wait(0.3)
    os.kill(pid, number)
    assert gone.wait(60)
    assert not processes.alive(pid)


def test_calls_back_at_once_for_one_that_is_gone() -> None:
    child = subprocess.Popen(["true"])
    child.wait(timeout=LIMIT_S)
    gone = threading.Event()
    processes.watch(child.pid, gone.set)
    assert gone.wait(60)


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen(["true"])
    until = time.monotonic() + 60
    while processes.alive(child.pid) and time.monotonic() < until:
        time.sleep(0.01)
    assert child.returncode is None, "nobody has waited for it yet"
    assert not processes.alive(child.pid)
    assert processes.born(child.pid) == ""
    child.wait(timeout=LIMIT_S)


def test_two_processes_are_told_apart_by_their_birth() -> None:
    assert processes.born(os.getpid()) == processes.born(os.getpid()) != ""
    time.sleep(0.02)
    child = subprocess.Popen(["sleep", "10"])
    assert processes.born(child.pid) not in ("", processes.born(os.getpid()))
    child.kill()
    child.wait(timeout=LIMIT_S)
