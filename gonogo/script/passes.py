"""A pass over a script in a process of its own, with limits; no process is left behind."""

from __future__ import annotations

import os
import secrets
import selectors
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gonogo.agent.processes import die_with_parent
from gonogo.script.facts import Ending, PassFacts
from gonogo.script.process_tree import MARK, ProcessTree, free_bytes
from gonogo.script.request import PassRequest
from gonogo.script.surroundings import environment

GRACE_S = 20.0  # for imports and for writing the facts, beside the pass's own limit
LAST_LINES = 40
LONGEST_LINE = 2000  # characters; what is longer is cut
MOST_SHOWN = 20_000  # lines that are handed on; more are read and dropped
MEMORY_SHARE = 0.8  # of the memory that is free when the pass begins
LOOK_EVERY_S = 0.25
CHILD = ("-m", "gonogo.script.child")
Facts = TypeVar("Facts", bound=PassFacts)


@dataclass(frozen=True)
class Passed:
    """Where a pass left its files, and what its process said and did."""

    folder: Path
    last_lines: list[str]  # that it printed
    stopped: Ending | None = None  # why it was stopped from outside; empty: it ended itself
    exit_code: int = 0  # of its process; negative: the signal that ended it
    peak_bytes: int = 0  # memory of all its processes, at most
    seconds: float = 0  # that its process lived

    def facts(self, model: type[Facts]) -> Facts:
        """What it saw; `killed`, or why it was stopped, where it could not even say that."""
        file = self.folder / "facts.json"
        facts = (
            model.model_validate_json(file.read_text()) if file.is_file() else model(ending=self.stopped or "killed")
        )
        facts.printed, facts.exit_code, facts.peak_bytes = self.last_lines, self.exit_code, self.peak_bytes
        facts.seconds = facts.seconds or self.seconds
        return facts


def run_pass(
    request: PassRequest, folder: Path, say: Callable[[str], None], stop: threading.Event | None = None
) -> Passed:
    """Run the pass; all that it started is gone afterwards.

    Args:
        folder: an empty one for the pass's own files.
        say: called with each line that the script prints.
        stop: once set, the pass is ended at once.
    """
    (folder / "request.json").write_text(request.model_dump_json())
    started = time.monotonic()
    mark = secrets.token_hex(8)
    process = subprocess.Popen(
        [sys.executable, "-P", *request.command.interpreter_options, *CHILD, str(folder)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        env={**environment(request, os.environ), MARK: mark}, preexec_fn=die_with_parent(),  # noqa: PLW1509
    )  # fmt: skip
    tree = ProcessTree(mark, process.pid)
    limits = _Limits(tree, 2 * request.limit_s + GRACE_S, stop or threading.Event())
    last: deque[str] = deque(maxlen=LAST_LINES)
    try:
        for number, line in enumerate(_lines(process, limits)):
            last.append(line)
            if number < MOST_SHOWN:
                say(line)
    finally:
        tree.kill()
        code = process.wait()
    return Passed(folder, list(last), limits.reached, code, limits.peak_bytes, time.monotonic() - started)


class _Limits:
    """Time, memory, and the user's patience."""

    def __init__(self, tree: ProcessTree, limit_s: float, stop: threading.Event) -> None:
        self.tree, self.stop = tree, stop
        self.deadline = time.monotonic() + limit_s
        self.free_bytes = free_bytes()
        self.peak_bytes = 0
        self.reached: Ending | None = None
        self._next_look = 0.0

    def all_right(self) -> bool:
        """Whether the pass may go on; otherwise `reached` says why."""
        now = time.monotonic()
        if self.stop.is_set():
            self.reached = "killed"
        elif now > self.deadline:
            self.reached = "out_of_time"
        elif now > self._next_look:
            self._next_look = now + LOOK_EVERY_S
            used = self.tree.bytes_in_use()
            self.peak_bytes = max(self.peak_bytes, used)
            if self.free_bytes is not None and self._is_too_much(used, self.free_bytes):
                self.reached = "out_of_memory"
        return self.reached is None

    def _is_too_much(self, used: int, free_at_first: int) -> bool:
        """By itself, or with its share in a machine that others fill as well."""
        left = free_bytes() or 0
        return used > MEMORY_SHARE * free_at_first or (
            left < (1 - MEMORY_SHARE) * free_at_first and used > MEMORY_SHARE * free_at_first / 2
        )


def _lines(process: subprocess.Popen[bytes], limits: _Limits) -> Iterator[str]:
    """What it prints, until it ends or a limit is reached; a line that is drawn over itself counts once it is done."""
    assert process.stdout is not None
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while limits.all_right():
            if not selector.select(0.1):
                if process.poll() is not None:
                    break
                continue
            block = os.read(process.stdout.fileno(), 1 << 16)
            if not block:
                break
            *done, rest = (rest + block).split(b"\n")
            yield from (shown for line in done if (shown := _shown(line)))
            rest = rest[-4 * LONGEST_LINE :]
    if last := _shown(rest):
        yield last


def _shown(line: bytes) -> str:
    """As a terminal shows it at last: what stands after the last return."""
    parts = [part for part in line.split(b"\r") if part.strip()]
    return parts[-1].decode(errors="replace").rstrip()[:LONGEST_LINE] if parts else ""
