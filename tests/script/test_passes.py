"""A pass has limits, and leaves no process behind."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from gonogo.base.processes import alive
from gonogo.script import passes
from tests.script.conftest import Run


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


def test_the_limit_counts_from_the_start_and_once_more_where_no_step_was_reached(run_script: Run) -> None:
    text = """
        import time, torch
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        if STEP:
            model(torch.ones(1, 2)).sum().backward(); optimizer.step()
        time.sleep(600)
    """
    without = run_script(text.replace("STEP", "False"), limit_s=8)
    with_one = run_script(text.replace("STEP", "True"), limit_s=8)
    assert without.facts.ending == with_one.facts.ending == "out_of_time"
    assert with_one.facts.steps == 1 and with_one.facts.seconds + 2 < without.facts.seconds


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
        while not began.exists():
            time.sleep(0.02)
        left.append(time.monotonic())
        stop.set()

    threading.Thread(target=when_begun, daemon=True).start()
    ran = run_script(f"import subprocess, time\nsubprocess.run(['touch', '{began}'])\ntime.sleep(600)\n")
    assert ran.facts.ending == "killed" and time.monotonic() - left[0] < 10
