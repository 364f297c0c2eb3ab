"""Both passes over a script, side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gonogo.config.accelerator import Accelerator
from gonogo.script.command import read_command
from gonogo.script.passes import Passed, run_pass
from gonogo.script.places import kept_folders
from gonogo.script.progress import steps_reached
from gonogo.script.request import PassName, PassRequest, ScriptCommand
from gonogo.script.snapshot import changed, snapshot

STEPS = 4
LIMIT_S = 60.0
CARD_BYTES = 80 << 30  # reported to the script where the card's memory is not known
REPORT_EVERY_S = 2.0
Say = Callable[[PassName, str], None]
Report = Callable[[dict[PassName, int], float], None]


@dataclass(frozen=True)
class CheckRequest:
    """What `gonogo check` is asked."""

    words: list[str]  # the command, as after `--`
    folder: Path  # where it is run
    card: Accelerator  # reported to the script as present; its libraries' kernels are the ones that run
    steps: int = STEPS  # optimizer steps that each pass waits for
    # of each pass, from the script's start; one that has reached no step by then gets as much again
    limit_s: float = LIMIT_S
    rehearse_with: list[str] = field(default_factory=list)  # arguments that the pass on the processor gets as well
    passes: tuple[PassName, ...] = ("card", "processor")  # those that are run


@dataclass(frozen=True)
class CheckRun:
    """What the passes left."""

    command: ScriptCommand
    passed: dict[PassName, Passed]  # pass → its files and last lines
    changed: list[str]  # paths in the script's repository that were written in spite of the overlay, relative to it
    seconds: float  # of all of it


def run_check(request: CheckRequest, work: Path, say: Say, report: Report = lambda steps, seconds: None) -> CheckRun:
    """Run the passes side by side.

    Args:
        work: empty folder for their files and for what the script writes; the caller removes it.
        say: called with a pass and a line that the script printed in it, from two threads.
        report: called every two seconds with the steps that each pass has reached, and the time.

    Raises:
        UserError: the command runs no script that can be watched.
    """
    started = time.monotonic()
    command = read_command(request.words, request.folder.resolve())
    root = kept_folders(request.folder.resolve(), command)[-1]
    before = snapshot(root)
    passed: dict[PassName, Passed] = {}
    problems: list[BaseException] = []
    stop = threading.Event()

    def run(kind: PassName) -> None:
        try:
            asked = pass_request(request, command, kind, work)
            passed[kind] = run_pass(asked, work / kind, lambda line: say(kind, line), stop)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(kind,)) for kind in request.passes]
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            _join(threads, REPORT_EVERY_S)
            report({kind: steps_reached(work / kind) for kind in request.passes}, time.monotonic() - started)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if problems:
        raise problems[0]
    return CheckRun(command, passed, changed(before, root), time.monotonic() - started)


def _join(threads: list[threading.Thread], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))


def pass_request(request: CheckRequest, command: ScriptCommand, kind: PassName, work: Path) -> PassRequest:
    """What one pass is asked, with its folders made."""
    scratch = work / f"{kind}.scratch"
    scratch.mkdir(parents=True)
    (work / kind).mkdir()
    if kind == "processor" and request.rehearse_with:
        command = command.model_copy(update={"arguments": [*command.arguments, *request.rehearse_with]})
    return PassRequest(
        kind=kind, command=command, folder=request.folder.resolve(), scratch=scratch, steps=request.steps,
        limit_s=request.limit_s, architecture=request.card.architecture,
        card_name=request.card.title, card_bytes=request.card.visible_bytes or CARD_BYTES,
    )  # fmt: skip
