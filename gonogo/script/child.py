"""The child process of a pass: runs the script under the pass's eyes and leaves `facts.json`.

python -m gonogo.script.child FOLDER     FOLDER holds request.json
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time
import traceback
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn, Protocol

from gonogo.script.facts import Ending, PassFacts, ScriptError
from gonogo.script.request import PassRequest
from gonogo.script.start import start

PASSES = {"card": "gonogo.script.card.card_pass", "processor": "gonogo.script.processor.processor_pass"}
"""Pass → module with a function `make(request, enough)` that returns a Pass."""
LAST_LINES = 30


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

    def __init__(self, request: PassRequest, out: Path) -> None:
        self.request, self.out = request, out
        self.started = time.monotonic()
        self._ended = threading.Lock()
        self.seen: Pass = importlib.import_module(PASSES[request.kind]).make(request, self.enough)

    def enough(self) -> NoReturn:
        """Called by the pass when it has seen what it came for."""
        self.end("enough")

    def run(self) -> NoReturn:
        threading.Thread(target=self._watch_time, daemon=True).start()
        try:
            with self.seen.around():
                start(self.request.command)
        except SystemExit as left:
            if left.code not in {None, 0}:
                self.end("script_failed", ScriptError(name="SystemExit", message=str(left.code)))
        except BaseException as problem:  # whatever a script raises is a fact about the script
            self.end("script_failed", script_error(problem, self.request.folder))
        self.end("script_ended")

    def _watch_time(self) -> None:
        time.sleep(self.request.limit_s)
        self.end("out_of_time")

    def end(self, ending: Ending, error: ScriptError | None = None) -> NoReturn:
        """Write the facts and leave, whatever else is going on in this process."""
        if not self._ended.acquire(blocking=False):
            threading.Event().wait()
        facts = self.seen.facts()
        facts.ending, facts.error = ending, error
        facts.seconds = time.monotonic() - self.started
        self.seen.save(self.out)
        (self.out / "facts.json.part").write_text(facts.model_dump_json())
        (self.out / "facts.json.part").rename(self.out / "facts.json")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def script_error(problem: BaseException, folder: Path) -> ScriptError:
    """The script's error, where its own code raised it."""
    frames = traceback.extract_tb(problem.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(folder)]
    lines = traceback.format_exception(problem)
    return ScriptError(
        name=type(problem).__name__,
        message=str(problem),
        where=f"{own[-1].filename}:{own[-1].lineno}" if own else "",
        lines=[line for entry in lines for line in entry.rstrip().splitlines()][-LAST_LINES:],
    )


def main() -> NoReturn:
    out = Path(sys.argv[1])
    request = PassRequest.model_validate_json((out / "request.json").read_text())
    os.chdir(request.folder)
    Runner(request, out).run()


if __name__ == "__main__":
    main()
