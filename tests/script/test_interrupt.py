"""Ctrl-C ends `gonogo check` at once, with all that it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from gonogo.base.processes import alive
from tests.conftest import ROOT
from tests.waiting import LIMIT_S

SCRIPT = """
import os, pathlib, subprocess, sys, tempfile, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
pathlib.Path(BEGUN, str(os.getpid())).write_text(str(child.pid))
try:
    time.sleep(600)
except BaseException:
    time.sleep(600)
"""


def test_it_ends_soon_and_leaves_no_process(tmp_path: Path) -> None:
    folder, begun = tmp_path / "repository", tmp_path / "cache"
    folder.mkdir()
    begun.mkdir()
    (folder / "train.py").write_text(SCRIPT.replace("BEGUN", repr(str(begun))))
    command = [sys.executable, "-m", "gonogo", "check", "--", "python", "train.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(begun)}
    check = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 120
        while len([path for path in begun.iterdir() if path.name.isdigit()]) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        files = [path for path in begun.iterdir() if path.name.isdigit()]
        pids = [int(path.name) for path in files] + [int(path.read_text() or 0) for path in files]
        assert len(pids) == 4 and all(alive(pid) for pid in pids)
        asked = time.monotonic()
        check.send_signal(signal.SIGINT)
        _, said = check.communicate(timeout=60)
        seconds = time.monotonic() - asked
    finally:
        check.kill()
        check.wait(timeout=LIMIT_S)
    assert check.returncode == 130 and "no process of the script is left" in said and "Traceback" not in said
    assert not any(alive(pid) for pid in pids)
    print(f"ended in {seconds:.1f} s")
