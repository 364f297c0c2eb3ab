"""One thing at a time on the machine, whichever experiments, roots and clients use it; and what would be lost with it.

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
from .roots import others, remember, shared_folder
from .run_folder import REQUEST, RUN, ended
from .use_lock import USE_LOCK, last_used, opened, tried

GUARD, SETUP_LOCK = ".machine.guard", ".env.lock"
WORDS = {"receive": "an upload", "send": "a download", "setup": "a setup", "launch": "a launch"}


class Waits(Exception):
    """Something is at work that must not be disturbed: the message names it."""


@contextlib.contextmanager
def one_at_a_time(root: Path) -> Iterator[None]:
    """Held for moments by whoever begins something on this machine, so that of two only one does.

    A home that is full, or cannot be locked, keeps nobody from beginning: then only this root's users take turns.
    """
    with contextlib.ExitStack() as held:
        shared = shared_folder(root)
        if shared != root:
            with contextlib.suppress(OSError):
                fcntl.flock(held.enter_context(opened(shared / GUARD)), fcntl.LOCK_EX)
        fcntl.flock(held.enter_context(opened(root / GUARD)), fcntl.LOCK_EX)
        remember(root)
        yield


def at_work_anywhere(root: Path, but_space: Path | None = None, but_run: Path | None = None) -> list[str]:
    """`runs_at_work` here and in the machine's other roots; one that may not be read holds up nobody."""
    found = runs_at_work(root, but_space, but_run)
    for other in others(root):
        with contextlib.suppress(OSError):
            found += runs_at_work(other)
    return found


def waits_for(root: Path, workspace: Path) -> str:
    """What has to end before a run of this workspace can begin: a run of another one, or a setup; empty: nothing."""
    runs = at_work_anywhere(root, workspace)
    if runs:
        return runs[0]
    return "a setup" if any(map(_sets_up, [root, *others(root)])) else ""


def _sets_up(root: Path) -> bool:
    with contextlib.suppress(OSError), opened(root / SETUP_LOCK) as lock:
        return not tried(lock, fcntl.LOCK_EX)
    return False


def before_installing(root: Path) -> None:
    """Raises Waits while a run is at work. Called with SETUP_LOCK held, it keeps others from beginning."""
    with one_at_a_time(root):
        runs = at_work_anywhere(root)
    if runs:
        raise Waits(runs[0])


def turn(run_dir: Path) -> dict[str, str]:
    """`waiting_for`: what has to end before this run of a workspace can begin; empty also where it has finished."""
    if (ended(run_dir) or {}).get("cause") == "finished":
        return {"waiting_for": ""}
    with one_at_a_time(Path.cwd()):
        return {"waiting_for": waits_for(Path.cwd(), run_dir.absolute().parents[1])}


def under_way(root: Path) -> str:
    """What is being sent, received or started on this machine, in a word; empty: nothing."""
    found = [_under_way(root)]
    for other in others(root):
        with contextlib.suppress(OSError):
            found.append(_under_way(other))
    return next(filter(None, found), "")


def _under_way(root: Path) -> str:
    if not (root / USE_LOCK).exists():
        return ""
    with opened(root / USE_LOCK) as lock:
        if tried(lock, fcntl.LOCK_EX):
            return ""
        command = os.pread(lock, 16, 0).decode(errors="replace").strip()
    return WORDS.get(command, command or "something")


def busy(root: Path) -> dict[str, Any]:
    """What would be lost with the machine: `runs` at work, `unfetched` ones, and what else is `under_way`."""
    runs = at_work_anywhere(root)
    unfetched = [name for one in [root, *others(root)] for name in _unfetched(one, runs)]
    return {"runs": runs, "unfetched": unfetched, "under_way": under_way(root)}


def used_anywhere(root: Path) -> float:
    """When something was sent, received or started on this machine last."""
    return max(map(last_used, [root, *others(root)]))


def _unfetched(root: Path, at_work: list[str]) -> list[str]:
    found = []
    for path in sorted([*root.glob(f"runs/*/{REQUEST}"), *root.glob(f"*/runs/*/{REQUEST}")]):
        folder, request = path.parent, read_facts(path)
        name = os.path.relpath(str(folder))
        fetched = (folder / "collected.json").exists() or not (request or {}).get("keep", True)
        if not fetched and name not in at_work and (folder / RUN).exists():
            found.append(name)
    return found
