"""The child process of a pass: runs the script under the pass's eyes and leaves `facts.json`.

python -m gonogo.script.child FOLDER     FOLDER holds request.json
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import os
import sys
import threading
import time
import traceback
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn, Protocol

from gonogo.base.replaced import Replaced
from gonogo.script.facts import Ending, PassFacts, ScriptError
from gonogo.script.overlay import Overlay
from gonogo.script.places import kept_folders
from gonogo.script.progress import StepCount
from gonogo.script.request import PassRequest
from gonogo.script.scratch import write_to_scratch
from gonogo.script.start import start
from gonogo.script.surroundings import Surroundings

PASSES = {"card": "gonogo.script.card.card_pass", "processor": "gonogo.script.processor.processor_pass"}
"""Pass → module with a function `make(request, enough)` that returns a Pass."""
LAST_LINES = 30
MOST_WRITTEN = 100
PACKAGE = Path(__file__).parents[1]
INHERITED = Path(__file__).parent / "inherited"


class Pass(Protocol):
    """One way of looking at a script."""

    def around(self) -> AbstractContextManager[None]:
        """Everything that is in place while the script runs."""

    def facts(self) -> PassFacts:
        """What was seen so far; called once, from wherever the pass ended."""

    def save(self, folder: Path) -> None:
        """Write what does not fit into the facts."""


class Runner:
    """Runs the script once. Whatever ends the pass ends this process: a script cannot catch `os._exit`."""

    def __init__(self, request: PassRequest, out: Path, overlay: Overlay) -> None:
        self.request, self.out, self.overlay = request, out, overlay
        self.started = time.monotonic()
        self._pid, self._leave = os.getpid(), os._exit
        self._ended = threading.Lock()
        self.surroundings = Surroundings(request, self.end)
        self.seen: Pass = importlib.import_module(PASSES[request.kind]).make(request, self.enough)

    def enough(self) -> NoReturn:
        """Called by the pass when it has seen what it came for."""
        self.end("enough")

    def run(self) -> NoReturn:
        progress = StepCount(self.out)
        threading.Thread(target=self._watch_time, args=(progress,), daemon=True).start()
        try:
            with self.surroundings.around(), progress.counted(), self.seen.around():
                start(self.request.command)
        except SystemExit as left:
            if left.code not in {None, 0}:
                self.end("script_failed", error=ScriptError(name="SystemExit", message=str(left.code)))
        except BaseException as problem:  # whatever a script raises is a fact about the script
            self.end("script_failed", error=script_error(problem, self.request.folder))
        self.end("script_ended")

    def _watch_time(self, progress: StepCount) -> None:
        """The limit counts from the start; a script that has reached no step by then gets as much again."""
        time.sleep(self.request.limit_s)
        if not progress.steps:
            time.sleep(self.request.limit_s)
        self.end("out_of_time")

    def end(self, ending: Ending, question: str = "", *, error: ScriptError | None = None) -> NoReturn:
        """Write the facts and leave, whatever else is going on in this process."""
        if os.getpid() != self._pid:
            self._leave(0)  # a child that the script forked: the facts are its parent's
        if not self._ended.acquire(blocking=False):
            threading.Event().wait()
        try:
            facts = self.seen.facts()
            self.seen.save(self.out)
        except BaseException as problem:
            facts = PassFacts()
            error = script_error(problem, self.request.folder).model_copy(update={"ours": True})
        facts.ending, facts.error, facts.question = ending, error, question
        facts.seconds = time.monotonic() - self.started
        self.surroundings.add_to(facts)
        facts.written = list(itertools.islice(self.overlay.written(), MOST_WRITTEN))
        (self.out / "facts.json.part").write_text(facts.model_dump_json())
        (self.out / "facts.json.part").rename(self.out / "facts.json")
        with contextlib.suppress(Exception):  # a script may have closed or replaced them
            sys.stdout.flush()
            sys.stderr.flush()
        self._leave(0)
        raise AssertionError("unreachable")


def script_error(problem: BaseException, folder: Path) -> ScriptError:
    """The script's error, where its own code raised it."""
    frames = list(traceback.extract_tb(problem.__traceback__))
    others = [frame for frame in frames if not _is_ours(frame.filename) and "runpy" not in frame.filename]
    own = [frame for frame in others if Path(frame.filename).is_relative_to(folder)]
    where, line = (own[-1].filename, own[-1].lineno) if own else ("", 0)
    if isinstance(problem, SyntaxError) and problem.filename:
        where, line = problem.filename, problem.lineno
    lines = [*traceback.format_list(others), *traceback.format_exception_only(problem)]
    return ScriptError(
        name=type(problem).__name__,
        message=str(problem),
        where=f"{where}:{line}" if where else "",
        lines=[line for entry in lines for line in entry.rstrip().splitlines()][-LAST_LINES:],
        ours=bool(frames) and _is_our_fault(frames[-1].filename, problem),
    )


def _is_ours(file: str) -> bool:
    return Path(file).is_relative_to(PACKAGE)


def _is_our_fault(file: str, problem: BaseException) -> bool:
    """Whether it was raised here: what stands in for `open` raises as `open` does, and libraries' doors hand on."""
    if not _is_ours(file) or Path(file).stem in {"scratch_libraries", "start"}:
        return False
    return not (isinstance(problem, OSError) and Path(file).stem in {"overlay", "scratch", "scratch_entries"})


def inherit(scratch: Path, kept: list[Path], passed: list[Path]) -> None:
    """Every Python that this process starts from now on writes to the same scratch folder."""
    places = {"scratch": str(scratch), "kept": [*map(str, kept)], "passed": [*map(str, passed)]}
    os.environ["GONOGO_SCRATCH"] = json.dumps(places)
    paths = [str(INHERITED), str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)


def main() -> NoReturn:
    out = Path(sys.argv[1])
    request = PassRequest.model_validate_json((out / "request.json").read_text())
    os.chdir(request.folder)
    places = request.scratch, kept_folders(request.folder, request.command), [out]
    overlay = write_to_scratch(Replaced(), *places)
    inherit(*places)
    Runner(request, out, overlay).run()


if __name__ == "__main__":
    main()
