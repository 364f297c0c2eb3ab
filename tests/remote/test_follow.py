"""Watching a run to its end: every line once, whatever happens to the link."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gonogo.config.target import Ssh, Target
from gonogo.remote import embedded_server
from gonogo.remote import follow as following
from gonogo.remote.answers import Heartbeat
from gonogo.remote.errors import RemoteError
from gonogo.remote.follow import follow
from gonogo.remote.machine import Machine, connect
from tests.remote.workspace import end_all, timings_of, wrapped_python
from tests.waiting import wait_for

COUNT = "import sys, time\nfor i in range({n}):\n    print('step', i)\n    time.sleep({pause})\nsys.exit({code})"


def _launch(machine: Machine, n: int, pause: float, code: int = 0, **limits: float) -> None:
    (arguments, environment) = ["-c", COUNT.format(n=n, pause=pause, code=code)], {"A": "b; c"}
    answer = machine.launch(
        "ws/runs/r 1", key="k", workspace="ws", cwd=".", arguments=arguments, environment=environment, **limits
    )
    assert (answer.state, answer.run_dir) == ("started", "ws/runs/r 1")


def _steps(lines: list[str]) -> list[str]:
    return [line.partition(" ")[2] for line in lines]


def _ignore(value: Any) -> None:
    """Nobody looks at this."""


@pytest.fixture(autouse=True)
def no_survivors(instance: Path) -> Iterator[None]:
    yield
    end_all(instance / "home")


def test_follows_to_the_end(ssh: Ssh, target: Target, machine: Machine) -> None:
    _launch(machine, 30, 0.05, code=5, usd_per_hour=3.6)
    lines: list[str] = []
    beats: list[Heartbeat] = []
    ages_s: list[float] = []

    def beat(heartbeat: Heartbeat) -> None:
        beats.append(heartbeat)
        ages_s.append(time.time() - heartbeat.at)

    ended = follow(ssh, target, "ws/runs/r 1", lines.append, beat)
    assert _steps(lines) == [f"step {i}" for i in range(30)]
    assert (ended.cause, ended.code) == ("failed", 5)
    assert beats and min(ages_s) < 2, "what is shown is at most two seconds old, unless the machine is busy"
    assert beats[-1].usd == pytest.approx((beats[-1].elapsed_s or 0) / 1000, abs=1e-5)
    again: list[str] = []
    follow(ssh, target, "ws/runs/r 1", again.append, _ignore)
    assert again == lines, "a run that has ended can be read from the start"
    rest: list[str] = []
    follow(ssh, target, "ws/runs/r 1", rest.append, _ignore, offset=len("\n".join(lines[:10])) + 1)
    assert rest == lines[10:]


def test_the_server_is_killed_and_restarted_midway(tmp_path: Path) -> None:
    target = Target(python="this")
    with connect(embedded_server.ensure(tmp_path, os.getpid()), target) as machine:
        machine.install_agent()
        _launch(machine, 60, 0.05)
    lines: list[str] = []
    killed = threading.Event()

    def line(text: str) -> None:
        lines.append(text)
        if len(lines) == 20:
            os.kill(
                embedded_server.Instance.model_validate_json((tmp_path / "instance.json").read_text()).pid,
                signal.SIGKILL,
            )
            killed.set()

    ended = follow(lambda: embedded_server.ensure(tmp_path, os.getpid()), target, "ws/runs/r 1", line, _ignore)
    assert killed.is_set()
    assert ended.cause == "finished"
    assert _steps(lines) == [f"step {i}" for i in range(60)], "no line twice, none lost"
    embedded_server.stop(tmp_path)


def test_looking_keeps_the_lease_and_looking_away_loses_it(ssh: Ssh, target: Target, machine: Machine) -> None:
    _launch(machine, 200, 0.1, lease_s=1.5)

    class SeenEnough(Exception):
        pass

    began = time.monotonic()

    def beat(heartbeat: Heartbeat) -> None:
        if time.monotonic() - began > 3:
            raise SeenEnough

    with pytest.raises(SeenEnough):
        follow(ssh, target, "ws/runs/r 1", _ignore, beat)
    assert machine.run_agent("status", "ws/runs/r 1")["state"] == "running"
    wait_for(lambda: machine.run_agent("status", "ws/runs/r 1")["state"] == "exited", seconds=6)
    assert machine.run_agent("status", "ws/runs/r 1")["exit"]["cause"] == "lease_lost"


def test_a_lost_run_is_told_and_where_its_log_is(ssh: Ssh, target: Target, machine: Machine, root_there: Path) -> None:
    _launch(machine, 200, 0.1)
    folder = root_there / "ws/runs/r 1"
    (folder / ".order.json").unlink()
    threading.Timer(0.5, end_all, (folder,)).start()
    with pytest.raises(RemoteError, match=r"is lost: .*ws/runs/r 1/log.txt"):
        follow(ssh, target, "ws/runs/r 1", _ignore, _ignore)


def test_a_run_that_cannot_resume_ends_with_its_supervisor(ssh: Ssh, target: Target, machine: Machine) -> None:
    _launch(machine, 200, 0.1)
    beat = machine.run_agent("status", "ws/runs/r 1")["heartbeat"]
    threading.Timer(0.5, os.kill, (beat["pid"], signal.SIGKILL)).start()
    assert follow(ssh, target, "ws/runs/r 1", _ignore, _ignore).cause == "agent_lost"


def test_no_run_there(ssh: Ssh, target: Target, machine: Machine) -> None:
    with pytest.raises(RemoteError, match=r"there is no run in .*ws/runs/none"):
        follow(ssh, target, "ws/runs/none", _ignore, _ignore)


def test_patience_ends(tmp_path: Path) -> None:
    ssh = embedded_server.ensure(tmp_path, os.getpid())
    target = Target(python="this")
    with connect(ssh, target) as machine:
        machine.install_agent()
        _launch(machine, 40, 0.05)
    keys = {name: (tmp_path / name).read_text() for name in ("client_key", "known_hosts")}
    embedded_server.stop(tmp_path)
    for name, text in keys.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    began = time.monotonic()
    with pytest.raises(RemoteError, match=r"nothing listens there.*Tried again for 1.0 s"):
        follow(ssh, target, "ws/runs/r 1", _ignore, _ignore, patience_s=1)
    assert time.monotonic() - began > 1


@pytest.mark.parametrize(("lease_minutes", "patience_s"), [(720, 43_200), (1, 300)])
def test_the_watch_is_as_patient_as_the_lease(
    lease_minutes: float, patience_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def messages(ssh: Any, target: Any, run_dir: str, offset: int, patience_s: float) -> list[Any]:
        asked.append(patience_s)
        return []

    monkeypatch.setattr(following, "_messages", messages)
    with pytest.raises(AssertionError):
        follow(Ssh(host="h", user="u"), Target(lease_minutes=lease_minutes), "r", _ignore, _ignore)
    assert asked == [patience_s]


def test_another_host_key_is_not_waited_for(ssh: Ssh, target: Target, machine: Machine, tmp_path: Path) -> None:
    _launch(machine, 5, 0.05)
    (tmp_path / "known_hosts").touch()
    stranger = ssh.model_copy(update={"known_hosts": tmp_path / "known_hosts"})
    with pytest.raises(RemoteError, match="its host key") as told:
        follow(stranger, target, "ws/runs/r 1", _ignore, _ignore)
    assert "Tried again" not in str(told.value)


def test_a_run_whose_watchers_are_both_frozen_is_said_and_resumed(
    ssh: Ssh, target: Target, machine: Machine, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gonogo.remote.follow.FROZEN_S", 1.0)
    wrapped = wrapped_python(instance / "impatient", **timings_of(FROZEN_S=1.0, BEAT_S=0.25))
    brisk = target.model_copy(update={"python": wrapped})
    with connect(ssh, brisk) as there:
        request = {"key": "k", "argv": ["sh", "-c", "sleep 0.5; test -e again || { touch again; sleep 60; }"]}
        request |= {"workspace": "ws", "resume": ["-e"]}
        assert there.run_agent("launch", "ws/runs/r 1", stdin=json.dumps(request))["state"] == "started"
        run_dir = instance / "home" / target.root / "ws/runs/r 1"
        wait_for((run_dir / "again").exists)
        for name in ("timer.json", "heartbeat.json"):
            os.kill(json.loads((run_dir / name).read_text())["pid"], signal.SIGSTOP)
        ages_s: list[float] = []
        ended = follow(ssh, brisk, "ws/runs/r 1", _ignore, lambda beat: ages_s.append(beat.age_s))
    assert max(ages_s) > 1.0
    assert [attempt.cause for attempt in ended.attempts] == ["agent_lost", "finished"]
