"""The first watcher of a run: the only one to start and to signal its command."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .ending import Ending
from .exit_cause import exit_cause, oom_kills
from .gpu import Gpu
from .json_files import Problem, read_facts, write_json
from .lease import Lease
from .locks import LOCK
from .processes import STARTED, boot, born, clock_s, die_with_parent, kill_holders, lives
from .resumption import next_attempt
from .run_folder import REQUEST, RUN, RUN_KEYS, record_exit
from .run_log import RunLog
from .timings import BEAT_S, GRACE_S, UNRECORDED_S

RESTARTS = 3  # after a kill, a stall or a lost supervisor; rungs of the ladder do not count


class Supervisor:
    """Starts the command, writes its log and heartbeat, holds it to its limits and records how it ended.

    One that ran out of memory is started again on the next rung of the request's ladder, one that a device aborted on
    the CPU, one that was killed or hung as it is: each from the last complete checkpoint.

    Args:
        past: of earlier attempts, as NO_PAST lists it.
        start_timer: replaces a timer that has died; `lifecycle._start_timer`, whose timers start supervisors.
        release_in_time: does the timer's last duty where the end cannot be written down; given what tries that again.
    """

    def __init__(
        self,
        request: dict[str, Any],
        run_dir: Path,
        lock: int,
        past: dict[str, Any],
        start_timer: Callable[[dict[str, Any], Path, float], object],
        release_in_time: Callable[[dict[str, Any], Path, Callable[[], bool]], None],
    ) -> None:
        self.request, self.run_dir, self.lock = request, run_dir, lock
        self.start_timer, self.release_in_time = start_timer, release_in_time
        self.log = RunLog(run_dir, request["progress"])
        self.reason = self.said = ""
        self.leaving = False
        self.kill_at = 0.0
        self.began = clock_s() - past["elapsed_s"]
        self.started_at = past["started_at"] or time.time()
        self.attempts, self.restarts = list(past["attempts"]), past["restarts"]
        self.rung, self.cpu = past["rung"], past["cpu"]
        self.lease = Lease(run_dir, past["unwatched_s"], past["lease_mtime"])
        self.gpu = Gpu()
        self.me: dict[str, Any] = {"pid": os.getpid(), "born": born(os.getpid()), "boot": boot()}

    def run(self, say: Callable[[str], None]) -> None:
        """From start to exit.json; says "started", or what prevented it."""
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._leave)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.wake, waker = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        first = True
        while True:
            try:
                self._spawn(patient=not first)
            except OSError as error:
                if first:
                    say(f"{error.filename or self.request['argv'][0]}: {error.strerror}")
                    return
                self._say_once(f"cannot be started again: {error}")
                cause, code = "failed", None
                break
            self._beat()
            if first:
                say(STARTED)
                first = False
            code = self._watch()
            if self.leaving:
                return  # the machine shuts down, or someone ended this process: `adopt` resumes the run
            cause = self._cause(code)
            self._remember(cause, code)
            if not self._again(cause):
                break
        ending = Ending(self.run_dir, lambda: self._record(cause, code), self.log.note)
        if not ending.recorded_within(UNRECORDED_S, self._is_leaving):
            os.close(self.lock)  # nothing of it runs any more, and the machine can be released
            self.release_in_time(self.request, self.run_dir, ending.still)
            ending.recorded_within(float("inf"), self._is_leaving)  # the timer would start it again

    def _record(self, cause: str, code: int | None) -> None:
        record_exit(self.request, self.run_dir, cause, code, self._past())

    def _is_leaving(self) -> bool:
        return self.leaving

    def _say_once(self, text: str) -> None:
        if text != self.said:
            self.log.note(text)
        self.said = text

    def _leave(self, *_: Any) -> None:
        self.leaving = True

    def _past(self) -> dict[str, Any]:
        return {
            "elapsed_s": self._elapsed_s(),
            "started_at": self.started_at,
            "attempts": self.attempts,
            "restarts": self.restarts,
            "rung": self.rung,
            "cpu": self.cpu,
            "unwatched_s": round(self.lease.unwatched_s(), 3),
            "lease_mtime": self.lease.mtime,
        }

    # --- one attempt ---

    def _spawn(self, patient: bool) -> None:
        """Start the command; where `patient`, what cannot be read for a moment is waited for."""
        give_up = time.monotonic() + (UNRECORDED_S if patient else 0.0)
        while True:
            try:
                self._start_command()
                return
            except OSError:
                if self.leaving or time.monotonic() >= give_up:
                    raise
                time.sleep(BEAT_S)

    def _start_command(self) -> None:
        argv, extra = next_attempt(self.request, self.run_dir, self._past(), self.log.note)
        self.output, writer = os.pipe()
        os.set_blocking(self.output, False)
        self.log.begin_attempt()
        self.oom_kills = oom_kills()
        try:
            self.child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=writer,
                cwd=self.request["cwd"] or str(self.run_dir),
                env={**os.environ, "PYTHONUNBUFFERED": "1", **extra},
                pass_fds=[self.lock],
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509  (no thread runs here)
            )
        except OSError:
            os.close(self.output)
            raise
        finally:
            os.close(writer)
        self.child_born = born(self.child.pid)

    def _watch(self) -> int:
        """Until the child has ended; returns its code, negative for a signal."""
        next_beat = time.monotonic() + BEAT_S
        with selectors.DefaultSelector() as ready:
            ready.register(self.output, selectors.EVENT_READ, lambda: self.log.read(self.output))
            ready.register(self.wake, selectors.EVENT_READ, lambda: bool(os.read(self.wake, 512)))
            while self.child.poll() is None:
                for key, _ in ready.select(max(0.0, next_beat - time.monotonic())):
                    if not key.data():
                        ready.unregister(key.fileobj)
                if time.monotonic() >= next_beat:
                    self._beat()
                    self._enforce()
                    next_beat += BEAT_S
        self._signal_group(signal.SIGKILL)  # what the command left behind
        kill_holders(Path(self.request["workspace"]) / LOCK, self.me["born"])
        self.log.drain(self.output)
        os.close(self.output)
        return int(self.child.returncode)

    # --- every second ---

    def _elapsed_s(self) -> float:
        return round(clock_s() - self.began, 3)

    def _usd(self) -> float:
        return round(self._elapsed_s() / 3600 * float(self.request["usd_per_hour"]), 6)

    def _beat(self) -> None:
        self._keep_files()
        beat = {
            "state": "stopping" if self.reason else "running",
            "reason": self.reason,
            "child_pid": self.child.pid,
            "child_born": self.child_born,
            "at": time.time(),
            "clock_s": clock_s(),
            "usd": self._usd(),
            "log_bytes": self.log.size_bytes,
            "last_output_at": self.log.last_output_at,
            "gpu": self.gpu.look(),
            "quiet_s": self.log.quiet_s(),
            **self.me,
            **self._past(),
        }
        with contextlib.suppress(OSError):
            write_json(self.run_dir / "heartbeat.json", beat, lasting=False)

    def _keep_files(self) -> None:
        """Restores the timer and the files that name the run; what cannot be read at this moment is left alone."""
        with contextlib.suppress(OSError):
            if not lives(read_facts(self.run_dir / "timer.json")):
                self._replace_timer()
            if not (self.run_dir / RUN).exists():
                write_json(self.run_dir / RUN, {name: self.request[name] for name in RUN_KEYS})
            if not (self.run_dir / REQUEST).exists():
                write_json(self.run_dir / REQUEST, self.request, mode=0o600)

    def _replace_timer(self) -> None:
        try:
            self.start_timer(self.request, self.run_dir, self._elapsed_s())
            self.log.note("the second timer had died and was restarted")
        except (Problem, OSError) as error:
            self._say_once(f"the second timer has died and cannot be restarted: {error}")

    def _enforce(self) -> None:
        """TERM to the group at the first limit that is passed, KILL when the grace period is over."""
        if not self.kill_at:
            self.reason = self._limit_passed()
            if self.reason or self.leaving:
                self.kill_at = time.monotonic() + GRACE_S
                self._signal_group(signal.SIGTERM)
        elif time.monotonic() > self.kill_at:
            self._signal_group(signal.SIGKILL)

    def _limit_passed(self) -> str:
        """The cause that exit.json will give, or nothing."""
        request = self.request
        with contextlib.suppress(OSError):
            if (self.run_dir / "stop").exists():
                return "stopped"
        if request["max_s"] and self._elapsed_s() >= request["max_s"]:
            return "over_time"
        if request["max_usd"] and self._usd() >= request["max_usd"]:
            return "over_cost"
        if request["lease_s"] and self.lease.unwatched_s() >= request["lease_s"]:
            return "lease_lost"
        patience_s = request["stall_s"] if self.log.progressed else request["first_s"]
        return "stalled" if patience_s and self.log.silent_s() >= patience_s else ""

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, number)

    # --- how it ended, and whether it is tried again ---

    def _cause(self, code: int) -> str:
        if self.reason:
            return self.reason
        return exit_cause(code, self.log.last_words, oom_kills() > self.oom_kills)

    def _remember(self, cause: str, code: int) -> None:
        self.attempts.append(
            {
                "cause": cause,
                "code": code if code >= 0 else None,
                "signal": -code if code < 0 else None,
                "rung": self.rung,
                "cpu": self.cpu,
            }
        )

    def _again(self, cause: str) -> bool:
        """Whether another attempt is made, and on what terms."""
        if cause == "oom" and self.rung < len(self.request["ladder"]):
            self.rung += 1
        elif cause == "aborted" and self.request["cpu"] is not None and not self.cpu:
            self.cpu = True
        elif cause in ("killed", "stalled") and self.request["resume"] and self.restarts < RESTARTS:
            self.restarts += 1
        else:
            return False
        self.log.note(f"ended as '{cause}'; resuming")
        self.reason, self.kill_at = "", 0.0
        return True
