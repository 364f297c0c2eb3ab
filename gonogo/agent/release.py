"""Releasing the machine, once for a run."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .json_files import Problem, read_facts, write_json
from .run_folder import REQUEST, ended
from .timings import RELEASE_PAUSE_S, RELEASE_WAIT_S
from .turns import at_work_anywhere, under_way

TRIES = 3


def collected(run_dir: Path) -> dict[str, Any]:
    """The results are verified elsewhere: nothing is lost with this machine."""
    if ended(run_dir) is None:
        raise Problem(f"{run_dir}: the run has not ended, so its results cannot have been downloaded")
    write_json(run_dir / "collected.json", {"at": time.time()})
    return {"collected": True}


def release(run_dir: Path, why: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run the request's release command, once for a run whoever asks; a command that fails is tried again.

    It is run also where nothing can be written down.

    Args:
        request: None: the one in the run's folder.

    Returns:
        What release.json says: `code` 0, or the failure's, with its last words.
    """
    request = request or read_facts(run_dir / REQUEST)
    if request is None or not request.get("release"):
        raise Problem(f"{run_dir}: its request names no release command")
    busy = at_work_anywhere(Path.cwd(), but_run=run_dir)
    if busy:
        raise Problem(f"not released: {', '.join(busy)} is still running here")
    doing = under_way(Path.cwd())
    if doing:
        raise Problem(f"not released: {doing} is under way here")
    path = run_dir / "release.json"
    facts: dict[str, Any] = {"at": time.time(), "why": why, "tries": 0, "code": None, "said": ""}
    with _alone(run_dir) as alone:
        said = read_facts(path)  # of one that was killed in the middle it says neither
        if not alone or (said and (said.get("code") == 0 or said.get("tries", 0) >= TRIES)):
            return said or facts
        while facts["code"] != 0 and facts["tries"] < TRIES:
            with contextlib.suppress(OSError):
                write_json(path, facts)
            if facts["tries"]:
                time.sleep(RELEASE_PAUSE_S)
            facts["tries"] += 1
            facts["code"], facts["said"] = _run(request["release"]["argv"])
        with contextlib.suppress(OSError):
            write_json(path, facts)
    return facts


@contextlib.contextmanager
def _alone(run_dir: Path) -> Iterator[bool]:
    """Whether no other process is releasing for this run; on a disk that refuses the lock, yes."""
    try:
        lock = os.open(str(run_dir / ".release.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield True
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = True
    except BlockingIOError:
        alone = False
    try:
        yield alone
    finally:
        os.close(lock)


def _run(argv: list[str]) -> tuple[int, str]:
    """Exit code and last words; a command that does not exist, or hangs, fails like any other."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=RELEASE_WAIT_S, check=False,
        )  # fmt: skip
    except OSError as error:
        return 127, f"{argv[0]}: {error.strerror}"
    except subprocess.TimeoutExpired:
        return 124, f"{argv[0]}: still running after {RELEASE_WAIT_S:g} s"
    return done.returncode, done.stdout.decode(errors="replace").strip()[-500:]
