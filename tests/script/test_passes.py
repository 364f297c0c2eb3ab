"""A pass has limits, and leaves no process behind."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gonogo.base.processes import alive
from gonogo.script import child, passes
from tests.script.conftest import Run
from tests.waiting import wait_for


def pids_of(lines: list[str]) -> list[int]:
    return [int(word) for line in lines if line.startswith("pids") for word in line.split()[1:]]


def test_no_process_is_left_behind(run_script: Run) -> None:
    ran = run_script("""
        import os, subprocess, sys, time
        def sleeper(): time.sleep(600)
        reader, writer = os.pipe()
        if os.fork() == 0:                       # a daemon: a session of its own, its parent gone
            os.setsid()
            child = os.fork()
            if child == 0:
                os.write(writer, str(os.getpid()).encode())
                sleeper()
            os._exit(0)
        daemon = os.read(reader, 20).decode()
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        own = subprocess.Popen(command, start_new_session=True)
        bare = subprocess.Popen(command, env={})
        import multiprocessing
        other = multiprocessing.get_context("fork").Process(target=sleeper)
        other.start()
        print("pids", daemon, own.pid, bare.pid, other.pid, flush=True)
    """)
    pids = pids_of(ran.lines)
    assert len(pids) == 4 and ran.facts.ending == "script_ended", ran.lines
    assert not [pid for pid in pids if alive(pid)]


def test_too_much_memory_is_said_and_ends_the_pass(run_script: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "free_bytes", lambda: 1_500_000_000)
    ran = run_script("""
        import time
        held = []
        while True:
            held.append(bytearray(b"x" * 50_000_000))
            time.sleep(0.02)
    """)
    assert ran.facts.ending == "out_of_memory"


def test_a_flood_of_output_is_bounded_and_does_not_hold_the_pass_up(
    run_script: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "MOST_SHOWN", 1000)
    ran = run_script("""
        import sys
        sys.stdout.write("y" * 30_000_000 + "\\n")
        for number in range(200_000):
            print(number)
        for number in range(1000):
            print(f"\\r{number}%", end="")
        print("\\rdone", end="")
    """)
    assert ran.facts.ending == "script_ended" and len(ran.lines) == 1000
    assert max(map(len, ran.lines)) <= passes.LONGEST_LINE


def test_the_last_state_of_a_line_that_is_drawn_over_itself_counts(run_script: Run) -> None:
    assert "100%" in run_script("print('\\r1%\\r50%\\r100%\\r\\n')").lines


@pytest.mark.parametrize(("steps", "seconds"), [(0, 14), (1, 7)])
def test_the_limit_counts_from_the_start_and_once_more_where_no_step_was_reached(
    steps: int, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[Any] = []
    monkeypatch.setattr(child.time, "sleep", slept.append)
    runner = SimpleNamespace(request=SimpleNamespace(limit_s=7), end=slept.append)
    child.Runner._watch_time(runner, SimpleNamespace(steps=steps))  # type: ignore[arg-type]
    assert slept[-1] == "out_of_time" and sum(slept[:-1]) == seconds


def test_a_script_that_lets_nothing_else_run_is_out_of_time_too(
    run_script: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "GRACE_S", 6)
    ran = run_script("import re\nre.match('(a+)+b', 'a' * 60)\n", limit_s=0.5)
    assert ran.facts.ending == "out_of_time"


def test_a_crash_below_python_is_a_killed_pass(run_script: Run) -> None:
    ran = run_script("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    assert ran.facts.ending == "killed"


def test_it_stops_soon_when_asked(run_script: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stop, plain, began = threading.Event(), passes.run_pass, tmp_path / "began"
    monkeypatch.setattr(passes, "run_pass", lambda request, out, say: plain(request, out, say, stop))
    left: list[float] = []

    def when_begun() -> None:
        wait_for(began.exists)
        left.append(time.monotonic())
        stop.set()

    threading.Thread(target=when_begun, daemon=True).start()
    ran = run_script(f"import subprocess, time\nsubprocess.run(['touch', '{began}'])\ntime.sleep(600)\n")
    assert ran.facts.ending == "killed" and time.monotonic() - left[0] < 10
