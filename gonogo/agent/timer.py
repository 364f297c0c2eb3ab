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

from .json_files import Problem, read_facts, write_json
from .lease import Lease
from .processes import STARTED, born, clock_s, lives, stirrings
from .release import release
from .run_folder import REQUEST, RUN, ended, kill_remains, past_of, record_exit
from .timings import BEAT_S, FROZEN_S, GRACE_S, START_S, TIMER_MARGIN_S, UNRECORDED_S
from .turns import at_work_anywhere, under_way, used_anywhere


class Timer:
    """Watches the supervisor from a process of its own, and releases the machine when nobody else does.

    A supervisor that has died or is frozen is replaced. A run that should have been ended long ago is killed. After the
    end the release command runs, once the results were downloaded, or were not for as long as the request says.
    Nothing that the disk refuses ends it.

    Args:
        adopt: replaces a supervisor that has died; `lifecycle.adopt`, which itself starts timers. It is given which
            replacement by this timer it is.
    """

    def __init__(
        self, request: dict[str, Any], run_dir: Path, elapsed_s: float, adopt: Callable[[Path, int], dict[str, Any]]
    ) -> None:
        self.request, self.run_dir, self.adopt = request, run_dir, adopt
        self.began, self.adoptions = time.monotonic(), 0
        self.ends_in_s, self.limit = _first_limit(request, elapsed_s)
        self.deadline = clock_s() + self.ends_in_s
        self.lease = Lease(run_dir)
        self.beat: dict[str, Any] | None = None
        self.stirred, self.stirred_at = "", self.began
        self.unrecorded_since: float | None = None
        self.went_wrong = ""

    def run(self, say: Callable[[str], None]) -> None:
        """Until the run has ended and there is nothing left to release."""
        held = os.open(str(self.run_dir / ".timer.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(STARTED)  # another timer runs already
            return
        ends_in_s = self.ends_in_s if self.ends_in_s != float("inf") else None
        write_json(self.run_dir / "timer.json", {"pid": os.getpid(), "born": born(os.getpid()), "ends_in_s": ends_in_s})
        say(STARTED)
        while not self._has_ended():
            if not lives(self.beat) and not _any_exists(self.run_dir / RUN, self.run_dir / REQUEST):
                return  # it never started, or was removed
            time.sleep(BEAT_S)
            self._check_safely()
        if ended(self.run_dir) is None:
            self.release_in_time(lambda: True)
        else:
            self.release_in_time(lambda: ended(self.run_dir) is not None)

    def _has_ended(self) -> bool:
        """Whether the end is recorded, or could not be for UNRECORDED_S: the machine must not bill on for that."""
        with contextlib.suppress(OSError):
            if ended(self.run_dir) is not None:
                return True
        return self.unrecorded_since is not None and time.monotonic() - self.unrecorded_since > UNRECORDED_S

    def _check_safely(self) -> None:
        """Whatever goes wrong is tried again: without this process nothing ends the run, or the bill."""
        try:
            self._check()
        except OSError:
            pass
        except Exception as error:
            import traceback

            if repr(error) != self.went_wrong:
                traceback.print_exc()
            self.went_wrong = repr(error)

    def _check(self) -> None:
        self._look()
        limit = self._limit_passed()
        if self.beat is not None and limit:
            if lives(self.beat):
                os.kill(self.beat["pid"], signal.SIGKILL)
            kill_remains(self.beat)
            self._record(lambda: record_exit(self.request, self.run_dir, limit, None, past_of(self.beat)))
            return
        if self._frozen():
            os.kill(self.beat["pid"], signal.SIGKILL)  # type: ignore[index]
        if not lives(self.beat) if self.beat else time.monotonic() > self.began + START_S:
            self._record(self._adopt)

    def _adopt(self) -> None:
        """Heartbeats count the restarts; where they cannot be written this does."""
        try:
            state = self.adopt(self.run_dir, self.adoptions + 1)["state"]
        except Problem:
            state = "adopted"  # it did not start
        self.adoptions += state == "adopted"

    def _record(self, work: Callable[[], object]) -> None:
        """Do what ends in exit.json or in another heartbeat; remember since when the disk has refused it."""
        try:
            work()
            self.unrecorded_since = None
        except OSError:
            self.unrecorded_since = self.unrecorded_since or time.monotonic()

    def _look(self) -> None:
        """At the heartbeat, and whether its writer does anything; the last one counts where it cannot be read."""
        beat = read_facts(self.run_dir / "heartbeat.json") or self.beat
        stirred = stirrings(beat.get("pid", 0)) if beat else ""
        if beat != self.beat or stirred != self.stirred:
            self.beat, self.stirred, self.stirred_at = beat, stirred, time.monotonic()

    def _frozen(self) -> bool:
        """A supervisor that is there, and neither writes nor does anything else."""
        return lives(self.beat) and time.monotonic() - self.stirred_at > FROZEN_S

    def _limit_passed(self) -> str:
        """The limit that the supervisor should have enforced by now."""
        if clock_s() > self.deadline:
            return self.limit
        lease_s = self.request["lease_s"]
        return "lease_lost" if lease_s and self.lease.unwatched_s() >= lease_s + GRACE_S + TIMER_MARGIN_S else ""

    def release_in_time(self, over: Callable[[], bool]) -> None:
        """Run the release command when its time has come; returns when that was done, or there is none to run.

        The patience counts from the end, from the download, and from whatever was done on the machine last.

        Args:
            over: whether the run is still one that has ended.
        """
        terms, root = self.request["release"], Path.cwd()
        since, seen = time.monotonic(), None
        while terms:
            with contextlib.suppress(OSError, Problem):
                if (self.run_dir / "release.json").exists() or not over():
                    return
                fetched = (self.run_dir / "collected.json").exists()
                patience_s = terms["collected_s"] if fetched else terms["uncollected_s"]
                signs = (fetched, self._leased(), used_anywhere(root))
                if signs != seen or at_work_anywhere(root, but_run=self.run_dir) or under_way(root):
                    since, seen = time.monotonic(), signs
                elif patience_s is not None and time.monotonic() - since >= patience_s:
                    why = "results downloaded" if fetched else "results not downloaded in time"
                    release(self.run_dir, why, self.request)
                    return
            time.sleep(BEAT_S)

    def _leased(self) -> float:
        try:
            return (self.run_dir / "lease").stat().st_mtime
        except FileNotFoundError:
            return 0.0


def _first_limit(request: dict[str, Any], elapsed_s: float) -> tuple[float, str]:
    """Seconds until the timer itself ends the run, and the limit that this is."""
    limits = [(request["max_s"], "over_time")] if request["max_s"] else []
    if request["max_usd"] and request["usd_per_hour"]:
        limits.append((3600 * request["max_usd"] / request["usd_per_hour"], "over_cost"))
    if not limits:
        return float("inf"), ""
    limit_s, cause = min(limits)
    return max(0.0, limit_s - elapsed_s) + GRACE_S + TIMER_MARGIN_S, cause


def _any_exists(*paths: Path) -> bool:
    """Whether one of them exists; a path that cannot be read counts as existing."""
    for path in paths:
        try:
            if path.exists():
                return True
        except OSError:
            return True
    return False
