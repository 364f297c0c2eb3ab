"""One thing at a time on the machine, whichever experiments and clients use it; and what would be lost with it.

A run, or a setup that installs something, begins when nothing else is at work. Whatever sends, receives or starts
something holds USE_LOCK together with others: while anybody does, the machine does not shut itself down.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .json_files import read_facts
from .locks import runs_at_work
from .run_folder import REQUEST, RUN, ended
from .use_lock import USE_LOCK, opened, tried

GUARD, SETUP_LOCK = ".machine.guard", ".env.lock"
WORDS = {"receive": "an upload", "send": "a download", "setup": "a setup", "launch": "a launch"}


class Waits(Exception):
    """Something is at work that must not be disturbed: the message names it."""


@contextlib.contextmanager
def one_at_a_time(root: Path) -> Iterator[None]:
    """Held for moments by whoever begins something, so that of two only one does."""
    with opened(root / GUARD) as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def waits_for(root: Path, workspace: Path) -> str:
    """What has to end before a run of this workspace can begin: a run of another one, or a setup; empty: nothing."""
    others = runs_at_work(root, workspace)
    if others:
        return others[0]
    with opened(root / SETUP_LOCK) as lock:
        return "" if tried(lock, fcntl.LOCK_EX) else "a setup"


def before_installing(root: Path) -> None:
    """Raises Waits while a run is at work. Called with SETUP_LOCK held, it keeps others from beginning."""
    with one_at_a_time(root):
        others = runs_at_work(root)
    if others:
        raise Waits(others[0])


def turn(run_dir: Path) -> dict[str, str]:
    """`waiting_for`: what has to end before this run of a workspace can begin; empty also where it has finished."""
    if (ended(run_dir) or {}).get("cause") == "finished":
        return {"waiting_for": ""}
    with one_at_a_time(Path.cwd()):
        return {"waiting_for": waits_for(Path.cwd(), run_dir.absolute().parents[1])}


def under_way(root: Path) -> str:
    """What is being sent, received or started here, in a word; empty: nothing."""
    if not (root / USE_LOCK).exists():
        return ""
    with opened(root / USE_LOCK) as lock:
        if tried(lock, fcntl.LOCK_EX):
            return ""
        command = os.pread(lock, 16, 0).decode(errors="replace").strip()
    return WORDS.get(command, command or "something")


def busy(root: Path) -> dict[str, Any]:
    """What would be lost with the machine: `runs` at work, `unfetched` ones, and what else is `under_way`."""
    runs = runs_at_work(root)
    return {"runs": runs, "unfetched": _unfetched(root, runs), "under_way": under_way(root)}


def _unfetched(root: Path, at_work: list[str]) -> list[str]:
    found = []
    for path in sorted([*root.glob(f"runs/*/{REQUEST}"), *root.glob(f"*/runs/*/{REQUEST}")]):
        folder, request = path.parent, read_facts(path)
        name = os.path.relpath(str(folder))
        fetched = (folder / "collected.json").exists() or not (request or {}).get("keep", True)
        if not fetched and name not in at_work and (folder / RUN).exists():
            found.append(name)
    return found
