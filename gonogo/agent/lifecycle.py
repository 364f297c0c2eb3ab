"""Starting a run, and replacing what watches it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import IO, Any

from .json_files import NO_ROOM, Problem, read_facts, reserve, write_json
from .locks import LOCK, guarded, holder, try_lock
from .processes import STARTED, detached, kill_holders, lives
from .run_folder import (
    BEGAN,
    NO_PAST,
    REQUEST,
    RUN,
    RUN_KEYS,
    ended,
    is_frozen,
    kill_remains,
    past_of,
    record_exit,
    remove_environment,
    remove_secrets,
)
from .run_log import RunLog
from .runs import earlier, uploaded
from .status import status, status_unguarded
from .supervisor import RESTARTS, Supervisor
from .timer import Timer
from .timings import RELAUNCH_WAIT_S
from .turns import one_at_a_time, waits_for

REQUEST_AT_MOST_BYTES = 1 << 20
# what a request says, and what it means where it does not; `gonogo/remote/run_request.py` explains each key
DEFAULTS: dict[str, Any] = {
    "key": "",
    "argv": [],
    "workspace": "",
    "alone": False,
    "keep": True,
    "once": False,
    "cwd": "",
    "environment": {},
    "max_s": 0.0,
    "max_usd": 0.0,
    "usd_per_hour": 0.0,
    "lease_s": 0.0,
    "first_s": 0.0,
    "stall_s": 0.0,
    "progress": "",
    "checkpoints": "",
    "room": None,
    "patterns": [],
    "resume": [],
    "override": [],
    "ladder": [],
    "cpu": None,
    "release": None,
}


def read_request(stream: IO[bytes]) -> dict[str, Any]:
    """The request of a launch, as JSON. It comes by stdin because every user can read a command line."""
    try:
        given = json.loads(stream.read(REQUEST_AT_MOST_BYTES))
    except ValueError:
        raise Problem("launch: no request on stdin; it is one JSON object of 1 MiB at most") from None
    unknown = sorted(given.keys() - DEFAULTS.keys())
    if unknown:
        raise Problem(f"launch: this agent does not know {', '.join(unknown)}; a request has {', '.join(DEFAULTS)}")
    if not given.get("argv") or not given.get("key"):
        raise Problem("launch: a request needs key and argv")
    return {**DEFAULTS, **given}


def launch(run_dir: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Start the command detached, unless the workspace is taken or the same key has finished well here.

    `once` in the request: a run of this key is looked for in every folder beside `run_dir`, too, and takes its place:
    whoever lost track of a run does not pay for a second one.

    Returns:
        `state` started | already | done | waiting (ask again later), with `run_dir` and `key` of the run that it is
        about, and for a new one `log_offset`, where its log begins, and `timer`, as it was read back.
    """
    run_dir = run_dir.absolute()
    workspace = Path(request["workspace"]).absolute() if request["workspace"] else run_dir.parent
    give_up = time.monotonic() + RELAUNCH_WAIT_S
    while True:
        with one_at_a_time(Path.cwd()), guarded(workspace):
            lock = try_lock(workspace)
            if lock is not None:
                try:
                    known = earlier(run_dir.parent, request["key"]) if request["once"] else None
                    return _start({**request, "workspace": str(workspace)}, known or run_dir, lock)
                finally:
                    os.close(lock)
            other = holder(workspace)
        if ended(Path(other["run_dir"])) is None or time.monotonic() > give_up:
            return {"state": "already", **other}
        time.sleep(0.1)  # it has ended and is about to release the lock


def _start(request: dict[str, Any], run_dir: Path, lock: int) -> dict[str, Any]:
    answer = {"run_dir": os.path.relpath(str(run_dir)), "key": request["key"]}
    before, over = read_facts(run_dir / RUN), ended(run_dir)
    if before and before.get("key") == request["key"] and over and over["cause"] == "finished":
        return {"state": "done", **answer}
    others = waits_for(Path.cwd(), Path(request["workspace"])) if request["alone"] else ""
    if others:
        return {"state": "waiting", "run_dir": others, "key": ""}
    run_dir.mkdir(parents=True, exist_ok=True)
    request = {**request, "argv": [word.replace("{run_dir}", str(run_dir)) for word in request["argv"]]}
    remove_secrets(Path(request["workspace"]))
    names = ["exit.json", "heartbeat.json", "stop", "collected.json", "release.json"]
    names += [path.name for path in run_dir.glob(".*.tmp")]
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            (run_dir / name).unlink()
    _end_old_timer(run_dir)
    try:
        if request["room"]:
            _refuse_too_little_room(run_dir / request["checkpoints"], **request["room"])
        reserve(run_dir)
        for name in ("lease", "log.txt"):
            (run_dir / name).touch()
        if not (run_dir / BEGAN).exists():
            (run_dir / BEGAN).touch()
        offset = (run_dir / "log.txt").stat().st_size
        write_json(run_dir / REQUEST, request, mode=0o600)
        facts = {**{name: request[name] for name in RUN_KEYS}, "uploaded": uploaded(Path(request["workspace"]))}
        write_json(run_dir / RUN, facts, lasting=False)
        timer = _start_timer(request, run_dir, 0.0)
        _start_supervisor(request, run_dir, lock, NO_PAST)
    except (Problem, OSError) as error:
        _forget(run_dir)
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise Problem(
                f"the run did not start: {answer['run_dir']} on the machine has no room for its own files "
                f"({error.strerror}). Remove what is not needed there (df -h; df -i; quota)"
            ) from None
        raise
    return {"state": "started", **answer, "log_offset": offset, "timer": timer}


def _refuse_too_little_room(folder: Path, files: int, each_bytes: int) -> None:
    from .room import lacking  # the launch alone needs it

    lacks = lacking(folder, files, each_bytes)
    if lacks:
        raise Problem(f"the run did not start: {lacks}")


def _forget(run_dir: Path) -> None:
    """A launch that failed leaves no request, which may hold secrets, and no timer."""
    for name in (RUN, REQUEST):
        with contextlib.suppress(OSError):
            (run_dir / name).unlink()
    _end_old_timer(run_dir)


def _end_old_timer(run_dir: Path) -> None:
    """The timer of an earlier run in this folder waits for the results of that one."""
    timer = read_facts(run_dir / "timer.json")
    while timer and lives(timer):
        os.kill(timer["pid"], signal.SIGKILL)
        time.sleep(0.01)


def _start_supervisor(request: dict[str, Any], run_dir: Path, lock: int, past: dict[str, Any]) -> None:
    """Start a supervisor that holds the lock; returns when the command runs."""
    facts = json.dumps({"run_dir": str(run_dir), "key": request["key"]}).encode()
    if os.pread(lock, len(facts) + 1, 0) != facts:  # a run that is resumed needs no room for it
        os.pwrite(lock, facts, 0)
        os.ftruncate(lock, len(facts))
    word = detached(run_dir, lambda say: _supervisor(request, run_dir, lock, past).run(say), lock)
    if word != STARTED:
        raise Problem("the run did not start: " + (word or f"see agent.log in {os.path.relpath(str(run_dir))}"))


def _supervisor(request: dict[str, Any], run_dir: Path, lock: int, past: dict[str, Any]) -> Supervisor:
    return Supervisor(
        request, run_dir, lock, past, _start_timer,
        lambda request, run_dir, over: Timer(request, run_dir, 0.0, adopt).release_in_time(over),
    )  # fmt: skip


def _start_timer(request: dict[str, Any], run_dir: Path, elapsed_s: float) -> dict[str, Any]:
    """Start the second timer unless one runs, and read back that it does.

    Raises:
        Problem: it does not run; nothing else may run then.
    """
    word = detached(run_dir, lambda say: Timer(request, run_dir, elapsed_s, adopt).run(say))
    timer = read_facts(run_dir / "timer.json")
    if word != STARTED or timer is None or not lives(timer):
        raise Problem(f"the second timer did not start, so the run did not either: {word or 'see agent.log there'}")
    return {"pid": timer["pid"], "ends_in_s": timer["ends_in_s"]}


def adopt(run_dir: Path, replacement: int = 1) -> dict[str, Any]:
    """Resume a run whose supervisor has died or is frozen: killed, stopped, or lost when the machine went down.

    What is left of it is killed. It resumes from its last complete checkpoint where the request says how; otherwise,
    when it was being ended, when this was done often enough already, or when something else was uploaded since it
    began, its end is recorded.

    Args:
        replacement: which one it is, as far as the caller knows; heartbeats count them, too, where there is room. 0:
            it was not the run that failed, and this is not counted.

    Returns:
        `state` as in `status`, or `adopted`.
    """
    run_dir = run_dir.absolute()
    request = read_facts(run_dir / REQUEST)
    now = status(run_dir)
    frozen = now["state"] == "running" and is_frozen(now["heartbeat"])
    if now["state"] == "exited":
        remove_environment(run_dir)  # where a full disk has kept it
    if request is None or not (frozen or now["state"] == "lost" or _orphaned(now)):
        return now
    if frozen:
        with contextlib.suppress(ProcessLookupError):
            os.kill(now["heartbeat"]["pid"], signal.SIGKILL)
        _end_old_timer(run_dir)  # it should have seen that
    with guarded(Path(request["workspace"])):
        beat = read_facts(run_dir / "heartbeat.json")
        if ended(run_dir) or lives(beat):
            return status_unguarded(run_dir, held=lives(beat))
        lock = _lock_of_the_dead(run_dir, Path(request["workspace"]), beat)
        if lock is None:
            return now
        try:
            return _resume(request, run_dir, lock, beat, replacement)
        finally:
            os.close(lock)


def _orphaned(now: dict[str, Any]) -> bool:
    """Some process of it holds the lock, but not its supervisor."""
    return now["state"] == "running" and now["heartbeat"] is not None and not lives(now["heartbeat"])


def _lock_of_the_dead(run_dir: Path, workspace: Path, beat: dict[str, Any] | None) -> int | None:
    """The workspace's lock, once those who inherited it from the run are killed; None when another run has it."""
    until = time.monotonic() + RELAUNCH_WAIT_S
    while time.monotonic() < until:
        if beat is not None:
            kill_remains(beat)
        lock = try_lock(workspace)
        if lock is not None:
            return lock
        if beat is None or Path((read_facts(workspace / LOCK) or {}).get("run_dir", "")) != run_dir:
            return None
        kill_holders(workspace / LOCK, beat.get("born", ""))
        time.sleep(0.05)
    return None


def _resume(
    request: dict[str, Any], run_dir: Path, lock: int, beat: dict[str, Any] | None, replacement: int
) -> dict[str, Any]:
    """Resume an orphaned run, or record why not. Call it guarded, with the lock."""
    remove_secrets(Path(request["workspace"]), but=run_dir)
    past = past_of(beat)
    attempt = {"cause": "agent_lost", "code": None, "signal": None, "rung": past["rung"], "cpu": past["cpu"]}
    past["attempts"] = [*past["attempts"], attempt]
    if replacement:
        past["restarts"] = max(past["restarts"] + 1, replacement)
    ending = "stopped" if (run_dir / "stop").exists() else (beat or {}).get("reason", "")
    replaced = _began_with_something_else(run_dir, Path(request["workspace"]))
    if replaced:
        RunLog(run_dir, "").note("not resumed: its data, code or config was replaced by another upload")
    if ending or replaced or not request["resume"] or past["restarts"] > RESTARTS:
        record_exit(request, run_dir, ending or "agent_lost", None, past)
        return status_unguarded(run_dir, held=False)
    _start_timer(request, run_dir, past["elapsed_s"])
    _start_supervisor(request, run_dir, lock, past)
    return {**status_unguarded(run_dir, held=True), "state": "adopted"}


def _began_with_something_else(run_dir: Path, workspace: Path) -> bool:
    run = read_facts(run_dir / RUN) or {}
    return run.get("uploaded", "") not in ("", uploaded(workspace))


def adopt_all(root: Path) -> dict[str, Any]:
    """`adopt` for every run below `root`, after a reboot of the machine or a requeued job. Returns run → state."""
    requests = sorted(root.glob(f"**/{REQUEST}"))
    return {os.path.relpath(str(path.parent)): adopt(path.parent, 0)["state"] for path in requests}
