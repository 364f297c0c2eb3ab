"""The first watcher of a run: the only one to start and to signal its command."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .checkpoints import is_complete
from .exit_cause import LAST_WORDS_BYTES, exit_cause, oom_kills
from .gpu import Gpu
from .json_files import Problem, read_json, write_json
from .processes import STARTED, boot, born, die_with_parent, lives
from .run_folder import record_exit
from .run_log import RunLog, log_part
from .timings import BEAT_S, GRACE_S, QUIET_S

RESTARTS = 3  # after a kill, a stall or a lost supervisor; rungs of the ladder do not count


class Supervisor:
    """Starts the command, writes its log and heartbeat, holds it to its limits and records how it ended.

    One that ran out of memory is started again on the next rung of the request's ladder, one that a device aborted on
    the CPU, one that was killed or hung as it is: each from the last complete checkpoint.

    Args:
        past: of earlier attempts, as NO_PAST lists it.
        start_timer: replaces a timer that has died; `lifecycle._start_timer`, whose timers start supervisors.
    """

    def __init__(
        self,
        request: dict[str, Any],
        run_dir: Path,
        lock: int,
        past: dict[str, Any],
        start_timer: Callable[[dict[str, Any], Path, float], object],
    ) -> None:
        self.request, self.run_dir, self.lock, self.start_timer = request, run_dir, lock, start_timer
        self.log = RunLog(run_dir, request["progress"])
        self.reason = ""
        self.leaving = False
        self.kill_at = 0.0
        self.began = time.monotonic() - past["elapsed_s"]
        self.started_at = past["started_at"] or time.time()
        self.attempts, self.restarts = list(past["attempts"]), past["restarts"]
        self.rung, self.cpu = past["rung"], past["cpu"]
        self.lease_mtime, self.lease_seen = 0.0, time.monotonic()
        self.gpu = Gpu()
        self.me = {"pid": os.getpid(), "born": born(os.getpid()), "boot": boot()}

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
                self._spawn()
            except OSError as error:
                if first:
                    say(f"{error.filename or self.request['argv'][0]}: {error.strerror}")
                    return
                self.log.note(f"cannot be started again: {error}")
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
        record_exit(self.request, self.run_dir, cause, code, self._past())

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
        }

    # --- one attempt ---

    def _spawn(self) -> None:
        argv, extra = self._command()
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

    def _command(self) -> tuple[list[str], dict[str, str]]:
        """Words and variables of the next attempt: the request's, changed by the ladder and by where it resumes."""
        request, argv = self.request, list(self.request["argv"])
        if "/" in argv[0]:
            argv[0] = str(Path(argv[0]).absolute())  # from here, not from its cwd
        changed = dict(request["ladder"][self.rung - 1]) if self.rung else {}
        environment = dict(request["environment"])
        if self.cpu:
            changed.update(request["cpu"]["overrides"])
            environment.update(request["cpu"]["environment"])
        if changed:
            argv += [word.replace("{overrides}", json.dumps(changed)) for word in request["override"]]
        checkpoint = self._last_complete() if request["resume"] else None
        if checkpoint is not None:
            argv += [word.replace("{checkpoint}", str(checkpoint)) for word in request["resume"]]
        if self.attempts or checkpoint is not None:
            start = f"from {checkpoint.name}" if checkpoint else "from the beginning"
            changes = f", with {json.dumps(changed)}" if changed else ""
            self.log.note(f"attempt {len(self.attempts) + 1}, {start}{changes}")
        return argv, environment

    def _last_complete(self) -> Path | None:
        """The newest complete checkpoint; one that was being written when the run died is not."""
        folder = self.run_dir / self.request["checkpoints"]
        for path in sorted(folder.glob("*.ckpt"), key=lambda path: path.stat().st_mtime, reverse=True):
            if is_complete(path):
                return path
            self.log.note(f"{path.name} is incomplete and is skipped")
        return None

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
        self.log.drain(self.output)
        os.close(self.output)
        return int(self.child.returncode)

    # --- every second ---

    def _elapsed_s(self) -> float:
        return round(time.monotonic() - self.began, 3)

    def _usd(self) -> float:
        return round(self._elapsed_s() / 3600 * float(self.request["usd_per_hour"]), 6)

    def _beat(self) -> None:
        if not lives(read_json(self.run_dir / "timer.json")):
            self._replace_timer()
        silent_s = self.log.silent_s()
        beat = {
            "state": "stopping" if self.reason else "running",
            "reason": self.reason,
            "child_pid": self.child.pid,
            "child_born": self.child_born,
            "at": time.time(),
            "usd": self._usd(),
            "log_bytes": self.log.size_bytes,
            "last_output_at": self.log.last_output_at,
            "gpu": self.gpu.look(),
            "quiet_s": round(silent_s, 1) if self.log.progressed and silent_s > QUIET_S else 0.0,
            **self.me,
            **self._past(),
        }
        with contextlib.suppress(OSError):
            write_json(self.run_dir / "heartbeat.json", beat)

    def _replace_timer(self) -> None:
        try:
            self.start_timer(self.request, self.run_dir, self._elapsed_s())
            self.log.note("the second timer had died and was restarted")
        except (Problem, OSError) as error:
            self.log.note(f"the second timer has died and cannot be restarted: {error}")

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
        if (self.run_dir / "stop").exists():
            return "stopped"
        if request["max_s"] and self._elapsed_s() >= request["max_s"]:
            return "over_time"
        if request["max_usd"] and self._usd() >= request["max_usd"]:
            return "over_cost"
        if request["lease_s"] and self._unwatched_s() >= request["lease_s"]:
            return "lease_lost"
        patience_s = request["stall_s"] if self.log.progressed else request["first_s"]
        return "stalled" if patience_s and self.log.silent_s() >= patience_s else ""

    def _unwatched_s(self) -> float:
        """Since the lease's mtime last changed; by the monotonic clock, because clocks are set."""
        with contextlib.suppress(FileNotFoundError):
            mtime = (self.run_dir / "lease").stat().st_mtime
            if mtime != self.lease_mtime:
                self.lease_mtime, self.lease_seen = mtime, time.monotonic()
        return time.monotonic() - self.lease_seen

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, number)

    # --- how it ended, and whether it is tried again ---

    def _cause(self, code: int) -> str:
        if self.reason:
            return self.reason
        begin = max(self.log.attempt_offset, self.log.size_bytes - LAST_WORDS_BYTES)
        return exit_cause(code, log_part(self.run_dir, begin), oom_kills() > self.oom_kills)

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
