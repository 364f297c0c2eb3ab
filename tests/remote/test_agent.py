"""The agent alone, as it runs on the machine: one run per lock, every end recorded, nothing orphaned."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from gonogo import lifetime
from gonogo.remote import agent
from tests.remote.conftest import wait_for

AGENT = agent.__file__
SLEEP = ["sh", "-c", "echo begun; exec sleep 60"]


class Workspace:
    """A folder in which the agent is called, as on the machine."""

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        self.folder, self.python = folder, python

    def start(self, *args: str) -> subprocess.Popen[str]:
        command = [self.python, AGENT, *args]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *args: str) -> Any:
        """What a command of the agent answers; fails the test when the command fails."""
        process = self.start(*args)
        out, errors = process.communicate(timeout=20)
        assert process.returncode == 0, errors
        return json.loads(out)

    def launch(self, argv: list[str], *options: str, run: str = "runs/one", key: str = "k") -> Any:
        return self.call("launch", run, "--key", key, "--workspace", ".", *options, "--", *argv)

    def ended(self, run: str = "runs/one") -> dict[str, Any]:
        """exit.json, waited for."""
        wait_for((self.folder / run / "exit.json").exists, seconds=10)
        found: dict[str, Any] = json.loads((self.folder / run / "exit.json").read_text())
        return found

    def log(self, run: str = "runs/one") -> list[str]:
        """The log's lines without their times."""
        return [line.partition(" ")[2] for line in (self.folder / run / "log.txt").read_text().splitlines()]

    def beat(self, run: str = "runs/one") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / run / "heartbeat.json").read_text())
        return found

    def wait_until_free(self) -> None:
        wait_for(lambda: self.call("active", ".") is None)


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path)
    yield workspace
    for path in tmp_path.rglob("heartbeat.json"):
        beat = json.loads(path.read_text())
        with contextlib.suppress(ProcessLookupError):
            os.killpg(beat["child_pid"], signal.SIGKILL)


# --- starting --------------------------------------------------------------------------------------------


def test_a_run_from_start_to_end(work: Workspace) -> None:
    (work.folder / "code").mkdir()
    script = "pwd; echo err >&2; echo $NAME $PYTHONUNBUFFERED; printf 'a\\rb\\rc\\n'; printf 'no newline'"
    began = time.time()
    answer = work.launch(["sh", "-c", script], "--cwd", "code", "--env", "NAME=x=y; z", "--usd-per-hour", "3600")
    assert answer == {"state": "started", "run_dir": "runs/one", "key": "k", "log_offset": 0}
    ended = work.ended()
    assert (ended["cause"], ended["code"], ended["signal"]) == ("finished", 0, None)
    assert began <= ended["started_at"] <= ended["ended_at"] <= time.time()
    assert ended["usd"] == pytest.approx(ended["elapsed_s"], abs=0.01)
    assert work.log() == [str(work.folder / "code"), "err", "x=y; z 1", "c", "no newline"]
    stamp = (work.folder / "runs/one/log.txt").read_text().partition(" ")[0]
    assert time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")
    assert stamp.endswith("Z")
    assert (work.folder / "runs/one/agent.log").read_text() == ""
    assert work.call("status", "runs/one")["state"] == "exited"


def test_eight_launches_at_once_start_one(work: Workspace) -> None:
    command = ["launch", "runs/one", "--key", "k", "--workspace", ".", "--", "sh", "-c", "echo ran >> ran; sleep 60"]
    launches = [work.start(*command) for _ in range(8)]
    states = [json.loads(process.communicate(timeout=20)[0])["state"] for process in launches]
    assert sorted(states) == ["already"] * 7 + ["started"]
    time.sleep(0.3)
    assert (work.folder / "runs/one/ran").read_text() == "ran\n"


def test_another_run_in_the_workspace_waits_its_turn(work: Workspace) -> None:
    work.launch(SLEEP)
    answer = work.launch(SLEEP, run="runs/two", key="other")
    assert answer == {"state": "already", "run_dir": "runs/one", "key": "k"}
    assert work.call("active", ".") == {"run_dir": "runs/one", "key": "k"}
    assert work.call("status", "runs/two")["state"] == "none"


def test_the_lock_is_free_when_the_exit_is_known(work: Workspace) -> None:
    for number in range(3):
        assert work.launch(["true"], run=f"runs/{number}", key=f"{number}")["state"] == "started"
        work.ended(f"runs/{number}")


def test_asking_never_looks_like_holding(work: Workspace) -> None:
    askers = [work.start("active", ".") for _ in range(6)]
    assert work.launch(["true"])["state"] == "started"
    for asker in askers:
        asker.communicate()


def test_a_key_that_finished_is_done_and_one_that_failed_runs_again(work: Workspace) -> None:
    work.launch(["sh", "-c", "echo first; exit 3"])
    assert (work.ended()["cause"], work.ended()["code"]) == ("failed", 3)
    again = work.launch(["sh", "-c", "echo second"])
    assert again["state"] == "started"
    assert again["log_offset"] == len("2026-01-01T00:00:00.000Z first\n")
    assert work.ended()["cause"] == "finished"
    assert work.log() == ["first", "second"]
    assert work.launch(["sh", "-c", "echo third"])["state"] == "done"
    assert work.launch(["sh", "-c", "echo third"], key="new")["state"] == "started"


def test_a_command_that_is_not_there(work: Workspace) -> None:
    process = work.start("launch", "runs/one", "--key", "k", "--", "no-such-command")
    errors = process.communicate(timeout=10)[1]
    assert process.returncode == 1
    assert errors == "the run did not start: no-such-command: No such file or directory\n"
    assert work.call("status", "runs/one")["state"] == "none"
    assert work.call("active", "runs") is None


# --- ending ----------------------------------------------------------------------------------------------


def test_stopped(work: Workspace) -> None:
    work.launch(["sh", "-c", "trap 'echo saving; exit 0' TERM; echo begun; while :; do sleep 0.05; done"])
    wait_for(lambda: work.log() == ["begun"])
    assert work.call("stop", "runs/one")["state"] == "running"
    assert (work.ended()["cause"], work.ended()["code"]) == ("stopped", 0)
    assert work.log()[-1] == "saving"


def test_one_that_does_not_listen_is_killed_with_all_its_children(work: Workspace, tmp_path: Path) -> None:
    impatient = tmp_path / "agent.py"
    impatient.write_text(Path(AGENT).read_text().replace("GRACE_S = 20.0", "GRACE_S = 1.0"))
    script = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 1; done' & sleep 60; sleep 60"
    command = [sys.executable, str(impatient), "launch", "runs/one", "--key", "k", "--", "sh", "-c", script]
    subprocess.run(command, cwd=work.folder, check=True, stdout=subprocess.PIPE)
    child = work.folder / "runs/one/child"
    wait_for(lambda: child.exists() and child.read_text())
    work.call("stop", "runs/one")
    assert (work.ended()["cause"], work.ended()["signal"]) == ("stopped", signal.SIGKILL)
    wait_for(lambda: not lifetime.alive(int(child.read_text())))


def test_limits(work: Workspace) -> None:
    limits = {
        "over_time": ["--max-s", "1"],
        "lease_lost": ["--lease-s", "1"],
        "over_cost": ["--usd-per-hour", "3600", "--max-usd", "1"],
    }
    for cause, options in limits.items():
        work.call("launch", f"{cause}/run", "--key", "k", *options, "--", *SLEEP)
    for cause in limits:
        ended = work.ended(f"{cause}/run")
        assert (ended["cause"], ended["signal"]) == (cause, signal.SIGTERM)
        assert 1 <= ended["elapsed_s"] < 3.5


def test_killed_from_outside(work: Workspace) -> None:
    work.launch(SLEEP)
    os.kill(work.beat()["child_pid"], signal.SIGKILL)
    assert (work.ended()["cause"], work.ended()["signal"]) == ("killed", signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only a write ends the child")
def test_when_the_supervisor_is_killed_the_child_goes_and_the_run_is_lost(work: Workspace) -> None:
    work.launch(SLEEP)
    beat = work.beat()
    os.kill(beat["pid"], signal.SIGKILL)
    wait_for(lambda: not lifetime.alive(beat["child_pid"]), seconds=2)
    wait_for(lambda: work.call("status", "runs/one")["state"] == "lost")
    assert work.launch(["true"])["state"] == "started", "a lost run can be started again"
    assert work.ended()["cause"] == "finished"


def test_shutting_the_supervisor_down_stops_the_run(work: Workspace) -> None:
    work.launch(SLEEP)
    os.kill(work.beat()["pid"], signal.SIGTERM)
    assert work.ended()["cause"] == "stopped"


def test_the_child_outlives_the_shell_that_launched_it(work: Workspace) -> None:
    command = f"{sys.executable} {AGENT} launch runs/one --key k -- sleep 60; kill -9 0"
    subprocess.run(["sh", "-c", command], cwd=work.folder, start_new_session=True, stdout=subprocess.PIPE, check=False)
    wait_for((work.folder / "runs/one/heartbeat.json").exists)
    assert lifetime.alive(work.beat()["child_pid"])


# --- looking ---------------------------------------------------------------------------------------------


def test_log_by_offset(work: Workspace) -> None:
    work.launch(["sh", "-c", "echo one; echo two"])
    work.ended()
    whole = (work.folder / "runs/one/log.txt").read_bytes()
    for offset in (0, 10, len(whole), len(whole) + 5):
        process = work.start("log", "runs/one", "--offset", str(offset))
        assert process.communicate(timeout=10)[0].encode() == whole[offset:]


def test_heartbeat_and_what_it_costs(work: Workspace) -> None:
    work.launch(["sh", "-c", "echo begun; sleep 60"], "--usd-per-hour", "7200")
    wait_for(lambda: work.beat()["elapsed_s"] > 1)
    beat = work.beat()
    assert beat["state"] == "running"
    assert beat["usd"] == pytest.approx(2 * beat["elapsed_s"], abs=0.01)
    assert beat["log_bytes"] == len("2026-01-01T00:00:00.000Z begun\n")
    assert beat["started_at"] <= beat["last_output_at"] <= beat["at"]
    assert lifetime.alive(beat["child_pid"])
    assert psutil.Process(beat["pid"]).memory_info().rss < 30 << 20


def test_follow_ends_when_nobody_listens(work: Workspace) -> None:
    work.launch(SLEEP)
    for end in ("stdin", "stdout"):
        follower = subprocess.Popen(
            [sys.executable, AGENT, "follow", "runs/one"],
            cwd=work.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        stream = getattr(follower, end)
        assert follower.stdout is not None
        follower.stdout.readline()
        stream.close()
        follower.wait(timeout=3)


# --- where it runs ---------------------------------------------------------------------------------------


def test_standard_library_only_and_the_syntax_of_python_3_8() -> None:
    tree = ast.parse(Path(AGENT).read_text(), feature_version=(3, 8))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert imported <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.12", "3.13"])
def test_runs_on_other_pythons(version: str, work: Workspace) -> None:
    python = shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "-V"], capture_output=True, check=False).returncode:
        pytest.skip(f"no python{version} here")
    work.python = python
    (work.folder / "data").mkdir()
    (work.folder / "data" / "x").write_text("x")
    assert list(work.call("manifest", "data")) == ["x"]
    assert work.launch(["echo", "hello"])["state"] == "started"
    assert work.ended()["cause"] == "finished"
    assert work.log() == ["hello"]
