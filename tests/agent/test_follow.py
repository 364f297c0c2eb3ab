"""What a client reads of a run: log, heartbeat, cost, GPU."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gonogo.base import processes
from gonogo.remote.agent_archive import NAME
from tests.remote.workspace import Workspace, end_all
from tests.waiting import LIMIT_S, line_with, lines_of, wait_for

SLEEP = ["sh", "-c", "echo begun; exec sleep 60"]


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path)
    yield workspace
    end_all(tmp_path)


def test_heartbeat_and_what_it_costs(work: Workspace) -> None:
    work.launch(["sh", "-c", "echo begun; sleep 60"], usd_per_hour=7200)
    wait_for(lambda: work.beat()["elapsed_s"] > 1)
    beat = work.beat()
    assert beat["state"] == "running"
    assert beat["usd"] == pytest.approx(2 * beat["elapsed_s"], abs=0.01)
    assert beat["log_bytes"] == len("2026-01-01T00:00:00.000Z begun\n")
    assert beat["started_at"] <= beat["last_output_at"] <= beat["at"]
    assert processes.alive(beat["child_pid"])
    assert psutil.Process(beat["pid"]).memory_info().rss < 30 << 20


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="needs a kernel that counts how often a process woke"
)
def test_both_watches_together_wake_three_times_a_second(work: Workspace) -> None:
    work.launch(["sleep", "60"], max_s=600)
    timer = json.loads((work.folder / "runs/one/timer.json").read_text())
    pids, window_s = (work.beat()["pid"], timer["pid"]), 4.0
    time.sleep(1.0)  # their start is over

    def wakes() -> int:
        status = "".join(Path(f"/proc/{pid}/status").read_text() for pid in pids)
        return sum(map(int, re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.M)))

    before, began = wakes(), time.monotonic()
    time.sleep(window_s)
    assert wakes() - before <= 2 * 3 * (time.monotonic() - began), "each takes a millisecond: half a percent of a core"


@pytest.mark.parametrize(
    ("tool", "answer"),
    [
        ("nvidia-smi", "81000, 143771, 97, 64"),
        (
            "rocm-smi",
            '{"card0": {"Temperature (Sensor edge) (C)": "N/A", "Temperature (Sensor junction) (C)": "64.0", '
            '"GPU use (%)": "97", "VRAM Total Memory (B)": "150754820096", '
            '"VRAM Total Used Memory (B)": "84934656000"}}',
        ),
    ],
)
def test_heartbeat_tells_what_the_gpu_does(
    work: Workspace, monkeypatch: pytest.MonkeyPatch, tool: str, answer: str
) -> None:
    path = work.folder / "bin" / tool
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    work.launch(SLEEP)
    wait_for(lambda: work.beat()["gpu"])
    expected = {"used_bytes": 81000 << 20, "total_bytes": 143771 << 20, "busy_percent": 97, "temperature_c": 64}
    assert work.beat()["gpu"] == pytest.approx(expected, rel=0.01)


def test_follow_ends_when_nobody_listens(work: Workspace) -> None:
    work.launch(SLEEP)
    for end in ("stdin", "stdout"):
        follower = subprocess.Popen(
            [sys.executable, NAME, "follow", "runs/one"],
            cwd=work.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        stream = getattr(follower, end)
        line_with(follower, b"\n")
        stream.close()
        follower.wait(timeout=60)


def test_a_log_that_is_faster_than_the_link_leaves_room_for_heartbeats(work: Workspace) -> None:
    """They and the lease have their turn; before, they waited until the reader had caught up."""
    work.launch(
        [
            "sh",
            "-c",
            "i=0; while test $i -lt 200; do head -c 60000 /dev/zero | tr '\\0' x; echo; i=$((i+1)); done; sleep 60",
        ]
    )
    wait_for(lambda: (work.folder / "runs/one/log.txt").stat().st_size > 12_000_000)
    os.utime(work.folder / "runs/one/lease", (0, 0))
    watching = subprocess.Popen(
        [sys.executable, NAME, "follow", "runs/one"],
        cwd=work.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert watching.stdin is not None
    read_bytes, beats, began = 0, 0, time.monotonic()
    watching.stdin.write(b"\n")
    watching.stdin.flush()
    for line in lines_of(watching):
        read_bytes += len(line)
        beats += line.startswith(b'{"heartbeat"')
        if read_bytes >= 6_000_000:
            break
        time.sleep(0.02)
    took_s = time.monotonic() - began
    watching.kill()
    watching.wait(timeout=LIMIT_S)
    assert beats >= took_s / 2, "one a second, were the machine idle"
    assert (work.folder / "runs/one/lease").stat().st_mtime > 0, "what the client said was heard"
