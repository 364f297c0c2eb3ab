"""One run at a time in a workspace."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .json_files import read_facts

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


def runs_at_work(root: Path) -> list[str]:
    """The runs that hold a lock below `root`."""
    holders = [active(path.parent) for path in [*root.glob(LOCK), *root.glob(f"*/{LOCK}")]]
    return [run["run_dir"] for run in holders if run]
