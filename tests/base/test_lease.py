"""Two hosts that share a folder: processes with host names of their own, which see no lock of each other's."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gonogo.base.lease import FILE
from tests.waiting import LIMIT_S, line_with, wait_for

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="host names of their own need root and unshare"
)
TAKES = """
import sys, time
from pathlib import Path
from gonogo.base import lease
lease.TOUCH_S, lease.LOST_S = 0.2, 4.0
try:
    lease.take(Path(sys.argv[1]))
except Exception as error:
    sys.exit(str(error))
print("taken", flush=True)
sys.stdin.read()
"""
WATCHES = """
import sys, threading
from pathlib import Path
from gonogo.base import lease
lease.TOUCH_S, lease.LOST_S = 0.2, 4.0
gone = threading.Event()
lease.watch(Path(sys.argv[1]), sys.argv[2], gone.set)
print("watching", flush=True)
gone.wait()
print("gone", flush=True)
"""


def on_host(name: str, program: str, *arguments: str) -> subprocess.Popen[str]:
    words = ["unshare", "--uts", "sh", "-c", f'hostname {name}; exec "$0" "$@"', sys.executable, "-c", program]
    return subprocess.Popen(
        [*words, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_a_run_on_another_host_is_respected_while_it_lives(tmp_path: Path) -> None:
    first = on_host("one", TAKES, str(tmp_path))
    line_with(first, "taken")
    owner = (tmp_path / FILE).read_text().splitlines()[0]
    job = on_host("node", WATCHES, str(tmp_path), owner)
    line_with(job, "watching")
    line_with(on_host("two", TAKES, str(tmp_path)), f"another run is at work here (process {owner})")
    # killed: its host takes over at once, others once it has shown nothing for a while
    os.kill(first.pid, signal.SIGKILL)
    first.wait(timeout=LIMIT_S)
    second = on_host("two", TAKES, str(tmp_path))
    line_with(second, "taken")
    line_with(job, "gone")
    os.kill(second.pid, signal.SIGKILL)
    second.wait(timeout=LIMIT_S)
    third = on_host("two", TAKES, str(tmp_path))
    assert "waiting" not in line_with(third, "taken")
    third.communicate(timeout=LIMIT_S)
    wait_for(lambda: not list(tmp_path.iterdir()), what="a clean end leaves nothing")


def test_a_suspended_run_that_was_taken_over_ends(tmp_path: Path) -> None:
    first = on_host("one", TAKES, str(tmp_path))
    line_with(first, "taken")
    os.kill(first.pid, signal.SIGSTOP)
    second = on_host("two", TAKES, str(tmp_path))
    line_with(second, "taken")
    os.kill(first.pid, signal.SIGCONT)
    assert first.wait(timeout=LIMIT_S) == -signal.SIGTERM
    assert "has taken over here" in first.communicate(timeout=LIMIT_S)[0]
    second.communicate(timeout=LIMIT_S)
