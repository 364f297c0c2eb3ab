"""The agent called alone, in a folder that stands for the machine; and commands run on a machine."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.agent import processes, timings
from gonogo.agent.exit_cause import CAUSES
from gonogo.remote.agent_archive import NAME, archive
from gonogo.remote.machine import Machine
from tests.waiting import LIMIT_S, wait_for


class Workspace:
    """A folder in which the agent is called, as on the machine."""

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        self.folder, self.python = folder, python
        self.environment: dict[str, str] = {"GONOGO_AGENT_HOME": str(folder)}
        if not (folder / NAME).exists():
            folder.mkdir(exist_ok=True)
            (folder / NAME).write_bytes(archive())

    def start(self, *args: str, stdin: str = "") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [self.python, NAME, *args],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(stdin)
            process.stdin.flush()
        process.stdin.close()
        process.stdin = None
        return process

    def start_open(self, *args: str) -> subprocess.Popen[bytes]:
        """A command whose stdin stays open."""
        return subprocess.Popen(
            [self.python, NAME, *args],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )

    def call(self, *args: str, stdin: str = "") -> Any:
        """What a command of the agent answers; fails the test when the command fails."""
        process = self.start(*args, stdin=stdin)
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        return json.loads(out)

    def launch(self, argv: list[str], run: str = "runs/one", key: str = "k", **request: Any) -> Any:
        return self.call("launch", run, stdin=json.dumps({"key": key, "workspace": ".", "argv": argv, **request}))

    def impatient(self, **seconds: float) -> None:
        """Call the agent with other timings from now on: tests do not wait for the shipped ones."""
        self.environment |= timings_of(**seconds)

    def ended(self, run: str = "runs/one") -> dict[str, Any]:
        """exit.json, waited for."""
        wait_for((self.folder / run / "exit.json").exists, seconds=LIMIT_S)
        found: dict[str, Any] = json.loads((self.folder / run / "exit.json").read_text())
        assert found["cause"] in CAUSES
        return found

    def log(self, run: str = "runs/one") -> list[str]:
        """The log's lines without their times."""
        return [line.partition(" ")[2] for line in (self.folder / run / "log.txt").read_text().splitlines()]

    def beat(self, run: str = "runs/one") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / run / "heartbeat.json").read_text())
        return found

    def wait_until_free(self) -> None:
        wait_for(lambda: self.call("active", ".") is None)


def timings_of(**seconds: float) -> dict[str, str]:
    """Environment variables that give the agent these timings."""
    for name in seconds:
        assert hasattr(timings, name), name
    return {f"GONOGO_AGENT_{name}": str(value) for name, value in seconds.items()}


def wrapped_python(path: Path, before: str = "", **variables: str) -> str:
    """A program that is this interpreter, with these variables, once the shell has run what comes before."""
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    path.write_text(f'#!/bin/sh\n{before}\n{exports}exec {shlex.quote(sys.executable)} "$@"\n')
    path.chmod(0o755)
    return str(path)


@dataclass(frozen=True)
class Completed:
    """A command that ended."""

    code: int
    stdout: str
    stderr: str


def run(machine: Machine, argv: Sequence[str], cwd: str | None = None, stdin: bytes = b"") -> Completed:
    """Run a command on the machine to its end."""
    with machine.start(argv, cwd=cwd) as channel:
        channel.write(stdin)
        channel.end_input()
        output = b""
        while data := channel.read(1 << 20):
            output += data
        code, errors = channel.finish()
    return Completed(code, output.decode(errors="replace"), errors)


def end_all(root: Path) -> None:
    """Kill what runs below `root` have left behind: timers first, because they would resume the runs."""
    for name, leaders in (("timer.json", []), ("heartbeat.json", ["child_pid"])):
        for path in root.rglob(name):
            facts = json.loads(path.read_text())
            if processes.lives(facts):
                os.kill(facts["pid"], signal.SIGKILL)
            for leader in leaders:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(facts[leader], signal.SIGKILL)
