"""The agent called alone, in a folder that stands for the machine."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from gonogo.remote import agent
from tests.remote.conftest import wait_for

AGENT = agent.__file__


class Workspace:
    """A folder in which the agent is called, as on the machine."""

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        self.folder, self.python, self.agent = folder, python, str(AGENT)

    def start(self, *args: str, stdin: str = "") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [self.python, self.agent, *args],
            cwd=self.folder,
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

    def call(self, *args: str, stdin: str = "") -> Any:
        """What a command of the agent answers; fails the test when the command fails."""
        process = self.start(*args, stdin=stdin)
        out, errors = process.communicate(timeout=40)
        assert process.returncode == 0, errors
        return json.loads(out)

    def launch(self, argv: list[str], run: str = "runs/one", key: str = "k", **order: Any) -> Any:
        return self.call("launch", run, stdin=json.dumps({"key": key, "workspace": ".", "argv": argv, **order}))

    def impatient(self, **constants: object) -> None:
        """Call an agent with other constants from now on: tests do not wait for the shipped ones."""
        text = Path(self.agent).read_text()
        for name, value in constants.items():
            text, count = re.subn(rf"^{name} = [\d.]+", f"{name} = {value}", text, flags=re.MULTILINE)
            assert count == 1, name
        path = self.folder / "agent.py"
        path.write_text(text)
        self.agent = str(path)

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


def end_all(root: Path) -> None:
    """Kill what runs below `root` have left behind: timers first, because they would resume the runs."""
    for name, leaders in (("timer.json", []), ("heartbeat.json", ["child_pid"])):
        for path in root.rglob(name):
            facts = json.loads(path.read_text())
            if agent.born(facts["pid"]) == facts["born"]:
                os.kill(facts["pid"], signal.SIGKILL)
            for leader in leaders:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(facts[leader], signal.SIGKILL)
