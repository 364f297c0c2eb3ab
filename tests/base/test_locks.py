from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gonogo.base.errors import UserError
from gonogo.base.locks import hold
from tests.waiting import LIMIT_S, line_with

HOLDER = """
import sys, time
from pathlib import Path
from gonogo.base.locks import hold
hold(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_one_at_a_time_and_a_killed_run_leaves_no_lock(tmp_path: Path, root: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, cwd=root)
    line_with(holder, b"held")
    with pytest.raises(UserError, match=f"process {holder.pid}"):
        hold(tmp_path)
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait(timeout=LIMIT_S)
    time.sleep(0.05)
    hold(tmp_path)


def test_an_unwritable_folder_is_named() -> None:
    with pytest.raises(UserError, match="/proc/nowhere"):
        hold(Path("/proc/nowhere"))
