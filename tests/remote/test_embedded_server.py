"""The embedded instance: one per owner, gone with its owner, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gonogo.base import processes
from gonogo.base.errors import UserError
from gonogo.config.target import Ssh, Target
from gonogo.remote import embedded_server
from gonogo.remote.machine import Machine, connect
from tests.remote.workspace import run
from tests.waiting import LIMIT_S, line_with, wait_for

START = """
import os, sys, time
from pathlib import Path
from gonogo.remote import embedded_server
owner = int(sys.argv[2]) if len(sys.argv) > 2 else os.getpid()
print(embedded_server.ensure(Path(sys.argv[1]), owner).port, flush=True)
if len(sys.argv) < 3:
    time.sleep(60)
"""


def _instance(folder: Path) -> embedded_server.Instance:
    return embedded_server.Instance.model_validate_json((folder / "instance.json").read_text())


def _owner(folder: Path) -> subprocess.Popen[str]:
    owner = subprocess.Popen([sys.executable, "-c", START, str(folder)], stdout=subprocess.PIPE, text=True)
    assert line_with(owner, "").strip().isdigit()
    return owner


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_ends_within_a_second_of_its_owner(tmp_path: Path, number: int) -> None:
    owner = _owner(tmp_path)
    server = _instance(tmp_path)
    assert server.alive and server.answers
    owner.send_signal(number)
    owner.wait(timeout=LIMIT_S)
    wait_for(lambda: not server.alive, seconds=1)
    assert not server.answers
    assert not (tmp_path / "client_key").exists(), "a key that opens nothing any more was left"


def test_the_same_owner_gets_the_same_server_from_many_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", START, str(tmp_path), str(os.getpid())]
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    ports = {process.communicate(timeout=LIMIT_S)[0].strip() for process in asking}
    assert ports == {str(_instance(tmp_path).port)}
    embedded_server.stop(tmp_path)


def test_a_dead_server_is_replaced_with_fresh_keys(tmp_path: Path) -> None:
    first = embedded_server.ensure(tmp_path, os.getpid())
    key, server = first.key_file.read_text(), _instance(tmp_path)
    os.kill(server.pid, signal.SIGKILL)
    wait_for(lambda: not server.alive)
    second = embedded_server.ensure(tmp_path, os.getpid())
    assert second.key_file.read_text() != key
    with connect(second, Target(python="this")) as machine:
        assert run(machine, ["echo", "hello"]).stdout == "hello\n"
    embedded_server.stop(tmp_path)
    assert not _alive_servers(tmp_path)


def test_another_living_owner_is_refused_and_a_dead_one_is_not(tmp_path: Path) -> None:
    owner = _owner(tmp_path)
    embedded_end, embedded_server.END_S = embedded_server.END_S, 0.2
    try:
        with pytest.raises(UserError, match=f"belongs to process {owner.pid}"):
            embedded_server.ensure(tmp_path, os.getpid())
    finally:
        embedded_server.END_S = embedded_end
    owner.kill()  # and at once, before its server has noticed:
    embedded_server.ensure(tmp_path, os.getpid())
    assert _instance(tmp_path).owner_pid == os.getpid()
    owner.wait(timeout=LIMIT_S)
    embedded_server.stop(tmp_path)


def test_keys_are_for_us_alone(instance: Path) -> None:
    assert (instance / "client_key").stat().st_mode & 0o777 == 0o600
    assert instance.stat().st_mode & 0o077 == 0


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    child = subprocess.Popen(["true"])
    child.wait(timeout=LIMIT_S)
    with pytest.raises(UserError, match="did not start"):
        embedded_server.ensure(tmp_path, child.pid)


def test_commands_have_an_environment_of_their_own(machine: Machine, instance: Path) -> None:
    found = dict(line.split("=", 1) for line in run(machine, ["env"]).stdout.splitlines())
    assert found["HOME"] == str(instance / "home")
    assert not [name for name in found if name.startswith(("GONOGO", "PYTEST", "SNAKEMAKE"))]
    assert run(machine, ["pwd"]).stdout.strip() == str(instance / "home")


def test_a_slow_reader_of_stdin_gets_all_of_it(machine: Machine) -> None:
    assert run(machine, ["sh", "-c", "sleep 0.1; wc -c"], stdin=b"x" * 3_000_000).stdout.strip() == "3000000"


def test_a_dropped_connection_closes_stdin_and_kills_nothing(ssh: Ssh, target: Target, tmp_path: Path) -> None:
    note = tmp_path / "note"
    script = f"cat > /dev/null; sleep 0.2; echo outlived > {note}"
    with connect(ssh, target) as machine:
        channel = machine.start(["sh", "-c", script])
        time.sleep(0.2)
        assert not note.exists()
        del channel
    wait_for(note.exists)


def test_what_is_detached_survives_the_server(tmp_path: Path) -> None:
    ssh = embedded_server.ensure(tmp_path / "instance", os.getpid())
    with connect(ssh, Target(python="this")) as machine:
        run(machine, ["sh", "-c", "setsid sleep 60 >/dev/null 2>&1 </dev/null & echo $! > pid"])
    pid = int((tmp_path / "instance" / "home" / "pid").read_text())
    embedded_server.stop(tmp_path / "instance")
    assert processes.alive(pid)
    os.kill(pid, signal.SIGKILL)


def _alive_servers(folder: Path) -> list[str]:
    listed = subprocess.run(
        ["ps", "-eo", "args"], stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT_S
    ).stdout
    return [line for line in listed.splitlines() if "gonogo.remote.embedded_server" in line and str(folder) in line]
