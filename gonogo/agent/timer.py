"""The second, independent watcher of a run."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .json_files import Problem, read_json, write_json
from .locks import runs_at_work
from .processes import STARTED, born, lives
from .release import release
from .run_folder import kill_remains, past_of, record_exit
from .timings import BEAT_S, GRACE_S, START_S, TIMER_MARGIN_S
from .turns import last_used, under_way


class Timer:
    """Watches the supervisor from a process of its own, and releases the machine when nobody else does.

    A supervisor that has died is replaced. A run that should have been ended long ago is killed. After the end the
    release command runs, once the results were downloaded, or were not for as long as the request says.

    Args:
        adopt: replaces a supervisor that has died; `lifecycle.adopt`, which itself starts timers.
    """

    def __init__(
        self, request: dict[str, Any], run_dir: Path, elapsed_s: float, adopt: Callable[[Path], object]
    ) -> None:
        self.request, self.run_dir, self.adopt = request, run_dir, adopt
        self.began = time.monotonic()
        left_s = max(0.0, request["max_s"] - elapsed_s) + GRACE_S + TIMER_MARGIN_S
        self.deadline = self.began + left_s if request["max_s"] else float("inf")
        self.facts = {"pid": os.getpid(), "born": born(os.getpid()), "ends_in_s": left_s if request["max_s"] else None}

    def run(self, say: Callable[[str], None]) -> None:
        """Until the run has ended and there is nothing left to release."""
        held = os.open(str(self.run_dir / ".timer.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(STARTED)  # another timer runs already
            return
        write_json(self.run_dir / "timer.json", self.facts)
        say(STARTED)
        while not (self.run_dir / "exit.json").exists():
            if not (self.run_dir / "run.json").exists():
                return  # it never started
            time.sleep(BEAT_S)
            self._check()
        self._release_in_time()

    def _check(self) -> None:
        beat = read_json(self.run_dir / "heartbeat.json")
        if beat is not None and time.monotonic() > self.deadline:
            if lives(beat):
                os.kill(beat["pid"], signal.SIGKILL)
            kill_remains(beat)
            record_exit(self.request, self.run_dir, "over_time", None, past_of(beat))
        elif not lives(beat) if beat else time.monotonic() > self.began + START_S:
            with contextlib.suppress(Problem):
                self.adopt(self.run_dir)

    def _release_in_time(self) -> None:
        """The patience counts from the end, from the download, and from whatever was done here last."""
        terms, root = self.request["release"], Path.cwd()
        since, seen = time.monotonic(), None
        while terms and not (self.run_dir / "release.json").exists() and (self.run_dir / "exit.json").exists():
            fetched = (self.run_dir / "collected.json").exists()
            patience_s = terms["collected_s"] if fetched else terms["uncollected_s"]
            signs = (fetched, self._leased(), last_used(root))
            if signs != seen or runs_at_work(root) or under_way(root):
                since, seen = time.monotonic(), signs
            elif patience_s is not None and time.monotonic() - since >= patience_s:
                with contextlib.suppress(Problem):  # something has begun this moment
                    release(self.run_dir, "results downloaded" if fetched else "results not downloaded in time")
                    return
            time.sleep(BEAT_S)

    def _leased(self) -> float:
        try:
            return (self.run_dir / "lease").stat().st_mtime
        except OSError:
            return 0.0
