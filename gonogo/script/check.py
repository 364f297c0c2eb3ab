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
from gonogo.script.request import PassName, PassRequest, ScriptCommand

STEPS = 4
LIMIT_S = 60.0
CARD_BYTES = 80 << 30  # what the script is told where the card's memory is not known
Say = Callable[[PassName, str], None]


@dataclass(frozen=True)
class CheckRequest:
    """What `gonogo check` is asked.

    Attributes:
        words: the command, as after `--`.
        folder: where it is run.
        card: what the script is told that it has, and whose libraries' choices it gets.
        steps: optimizer steps that each pass waits for.
        limit_s: of each pass.
        rehearse_with: arguments that the pass on the processor gets as well.
        passes: those that are run.
    """

    words: list[str]
    folder: Path
    card: Accelerator
    steps: int = STEPS
    limit_s: float = LIMIT_S
    rehearse_with: list[str] = field(default_factory=list)
    passes: tuple[PassName, ...] = ("card", "processor")


@dataclass(frozen=True)
class CheckRun:
    """What the passes left.

    Attributes:
        passed: pass → its files and last lines.
        seconds: of all of it.
    """

    command: ScriptCommand
    passed: dict[PassName, Passed]
    seconds: float


def run_check(request: CheckRequest, work: Path, say: Say) -> CheckRun:
    """Run the passes side by side.

    Args:
        work: empty folder for their files and for what the script writes; the caller removes it.
        say: called with a pass and a line that the script printed in it, from two threads.

    Raises:
        UserError: the command runs no script that can be watched.
    """
    started = time.monotonic()
    command = read_command(request.words, request.folder)
    passed: dict[PassName, Passed] = {}
    problems: list[BaseException] = []

    def run(kind: PassName) -> None:
        try:
            passed[kind] = run_pass(
                pass_request(request, command, kind, work), work / kind, lambda line: say(kind, line)
            )
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(kind,)) for kind in request.passes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return CheckRun(command, passed, time.monotonic() - started)


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
        card_name=request.card.device_name or request.card.title, card_bytes=request.card.visible_bytes or CARD_BYTES,
    )  # fmt: skip
