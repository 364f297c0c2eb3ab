"""One run at a time in a workspace."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .json_files import read_facts
from .processes import lives
from .run_folder import RUN, ended

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
    written = read_facts(workspace / LOCK) or {}
    return {"run_dir": os.path.relpath(written.get("run_dir", "unknown")), "key": written.get("key", "")}


def runs_at_work(root: Path, but_space: Path | None = None, but_run: Path | None = None) -> list[str]:
    """The runs below `root` that hold a lock, or are about to be resumed by a timer that lives.

    Args:
        but_space: a workspace whose runs do not count.
        but_run: a run that has ended, though that could not be written down.
    """
    space = but_space.resolve() if but_space else None
    spaces = {path.parent.resolve() for path in [*root.glob(LOCK), *root.glob(f"*/{LOCK}")]} - {space}
    found = [run["run_dir"] for run in map(active, sorted(spaces)) if run]
    for path in sorted([*root.glob("runs/*/timer.json"), *root.glob("*/runs/*/timer.json")]):
        run_dir = path.parent.resolve()
        counts = space != path.parents[2].resolve() and run_dir != (but_run.resolve() if but_run else None)
        if counts and ended(run_dir) is None and (run_dir / RUN).exists() and lives(read_facts(path)):
            found.append(os.path.relpath(str(run_dir)))
    return list(dict.fromkeys(found))
