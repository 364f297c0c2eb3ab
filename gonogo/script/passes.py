"""A pass over a script in a process of its own, with limits; no process is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gonogo.agent.processes import die_with_parent
from gonogo.script.facts import PassFacts
from gonogo.script.request import PassRequest
from gonogo.script.surroundings import environment

GRACE_S = 20.0  # for imports and for writing the facts, beside the pass's own limit
LAST_LINES = 20
CHILD = ("-m", "gonogo.script.child")
Facts = TypeVar("Facts", bound=PassFacts)


@dataclass(frozen=True)
class Passed:
    """Where a pass left its files, and the last lines that it printed."""

    folder: Path
    last_lines: list[str]

    def facts(self, model: type[Facts]) -> Facts:
        """What it saw; `killed` where it could not even say that."""
        file = self.folder / "facts.json"
        return model.model_validate_json(file.read_text()) if file.is_file() else model()


def run_pass(request: PassRequest, folder: Path, say: Callable[[str], None]) -> Passed:
    """Run the pass, with all that it starts in one process group, which is gone afterwards.

    Args:
        folder: an empty one for the pass's own files.
        say: called with each line that the script prints.
    """
    (folder / "request.json").write_text(request.model_dump_json())
    last: deque[str] = deque(maxlen=LAST_LINES)
    process = subprocess.Popen(
        [sys.executable, "-P", *request.command.interpreter_options, *CHILD, str(folder)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        start_new_session=True, env=environment(request, os.environ), preexec_fn=die_with_parent(),  # noqa: PLW1509
    )  # fmt: skip

    deadline = time.monotonic() + 2 * request.limit_s + GRACE_S
    try:
        for line in _lines(process, deadline):
            last.append(line)
            say(line)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return Passed(folder, list(last))


def _lines(process: subprocess.Popen[str], deadline: float) -> Iterator[str]:
    """What it prints, until it ends or its time is over."""
    import selectors

    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while process.poll() is None and time.monotonic() < deadline:
            if selector.select(0.2):
                line = process.stdout.readline()
                if not line:
                    return
                yield line.rstrip("\n")
