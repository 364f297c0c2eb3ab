"""No test waits for ever: each wait has a limit, and a test that hangs all the same is named and ends alone."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.waiting import line_with, wait_for

STARTED_AND_AWAITED = {"subprocess.run", "subprocess.check_output", "subprocess.check_call", "subprocess.call"}


def is_endless(call: ast.Call) -> bool:
    """Whether it may wait for ever: for a process, a thread, an event or a line."""
    name, limited = ast.unparse(call.func), any(keyword.arg == "timeout" for keyword in call.keywords)
    if name in STARTED_AND_AWAITED:
        return not limited
    if not isinstance(call.func, ast.Attribute) or isinstance(call.func.value, ast.Constant):
        return False
    if call.func.attr == "communicate":
        return not limited
    if call.func.attr in ("wait", "join"):
        return not (limited or call.args)
    return ast.unparse(call.func).endswith("stdout.readline")


def test_every_wait_in_a_test_has_a_limit() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)[:80]}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if "scripts" not in path.parts  # as people write them
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and is_endless(node)
    ]
    assert not found, "\n".join(["give it timeout=, or use tests/waiting.py:", *found])


def test_such_waits_are_seen() -> None:
    endless = "subprocess.run(['x']); p.communicate(); p.wait(); t.join(); p.stdout.readline()"
    limited = "subprocess.run(['x'], timeout=1); p.communicate(timeout=1); p.wait(1); t.join(timeout=1); ' '.join(x)"
    for code, expected in ((endless, True), (limited, False)):
        calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
        assert calls and all(is_endless(call) is expected for call in calls)


def test_a_process_that_says_nothing_is_not_waited_for_for_ever() -> None:
    silent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=subprocess.PIPE, text=True)
    with pytest.raises(AssertionError, match=r"still no end of its output after 0\.2 s"):
        line_with(silent, "never", seconds=0.2)
    assert silent.wait(timeout=60) != 0
    ended = subprocess.Popen([sys.executable, "-c", "print('other')"], stdout=subprocess.PIPE, text=True)
    with pytest.raises(AssertionError, match="ended without 'never'"):
        line_with(ended, "never")
    with pytest.raises(AssertionError, match=r"still not after 0\.1 s: a miracle"):
        wait_for(lambda: False, seconds=0.1, what="a miracle")


HANGS = """
import threading

def test_before(): pass
def test_hangs(): threading.Event().wait()
def test_after(): pass
"""
OTHER = "import pytest\n@pytest.mark.parametrize('n', range(5))\ndef test_other(n): assert n != 2\n"


def test_a_test_that_hangs_is_named_once_with_its_place_and_the_others_are_run(tmp_path: Path) -> None:
    """With xdist's own scheduler the run would have no end once a worker has died."""
    options = (ROOT / "pyproject.toml").read_text()
    assert "faulthandler_timeout = 600\n" in options and "faulthandler_exit_on_timeout = true\n" in options
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_xdist_make_scheduler\n")
    (tmp_path / "test_hanging.py").write_text(HANGS)
    for name in ("b", "c"):
        (tmp_path / f"test_{name}.py").write_text(OTHER)
    words = ["-n", "2", "--dist", "loadfile", "--rootdir", ".", "-p", "no:cacheprovider"]
    words += ["-o", "faulthandler_timeout=3", "-o", "faulthandler_exit_on_timeout=true"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1 and "3 failed, 10 passed" in done.stdout, done.stdout + done.stderr
    assert "crashed while running 'test_hanging.py::test_hangs'" in done.stdout
    assert "in test_hangs" in done.stderr
