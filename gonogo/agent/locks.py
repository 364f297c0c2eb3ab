"""One run at a time in a workspace."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .json_files import read_json
from .processes import lives

LOCK, GUARD = ".run.lock", ".run.guard"


@contextlib.contextmanager
def guarded(workspace: Path) -> Iterator[None]:
    """Held for moments by whoever tries the run's lock, so that asking never looks like holding."""
    workspace.mkdir(parents=True, exist_ok=True)
    guard = os.open(str(workspace / GUARD), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield
    finally:
        os.close(guard)


def try_lock(workspace: Path) -> int | None:
    """A descriptor that holds the run's lock, or None when a run holds it. Call it guarded."""
    lock = os.open(str(workspace / LOCK), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def active(workspace: Path) -> dict[str, Any] | None:
    """The run that holds the workspace's lock: {"run_dir", "key"}; None when it is free."""
    if not workspace.is_dir():
        return None
    with guarded(workspace):
        lock = try_lock(workspace)
        if lock is None:
            return holder(workspace)
        os.close(lock)
        return None


def holder(workspace: Path) -> dict[str, Any]:
    """The run that wrote itself into the lock last."""
    written = read_json(workspace / LOCK)
    return {"run_dir": os.path.relpath(written["run_dir"]), "key": written["key"]}


def runs_at_work(root: Path, other_than: Path | None = None) -> list[str]:
    """The runs below `root` that hold a lock, or are about to be resumed by a timer that lives.

    Args:
        other_than: a workspace whose runs do not count.
    """
    spaces = {path.parent.resolve() for path in [*root.glob(LOCK), *root.glob(f"*/{LOCK}")]}
    timers = [*root.glob("runs/*/timer.json"), *root.glob("*/runs/*/timer.json")]
    but = other_than.resolve() if other_than else None
    found = [run["run_dir"] for run in map(active, sorted(spaces - {but})) if run]
    for path in sorted(timers):
        ended = (path.with_name("exit.json")).exists() or not path.with_name("run.json").exists()
        if not ended and path.parents[2].resolve() != but and lives(read_json(path)):
            found.append(os.path.relpath(str(path.parent)))
    return list(dict.fromkeys(found))
