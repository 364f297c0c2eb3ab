"""Who is at work in a folder, for hosts that share it: a file that its owner touches for as long as it lives.

This relies on three things of the file system, which NFS, Lustre and BeeGFS give: a hard link to a name that exists
fails, a rename happens once, and opening a file shows its latest times. It needs no locks, and no clocks that agree:
what counts is whether the file's time changes while somebody looks.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from gonogo.base import processes
from gonogo.base.errors import UserError

FILE = ".lease"
TOUCH_S, LOST_S = 5.0, 60.0


def owner_here() -> str:
    """This process, as a lease names its owner."""
    return f"{os.getpid()}@{socket.gethostname()}"


def take(folder: Path) -> None:
    """Take the folder's lease and keep it until this process ends.

    One that a process of this host left behind is seen at once; of another host, after LOST_S without a touch.

    Raises:
        UserError: somebody else has it.
        OSError: it cannot be written.
    """
    path, me = folder / FILE, owner_here()
    owner, birth, _ = _look(path)
    if owner == me:
        return
    if owner and _lives(path, owner, birth):
        raise UserError(f"{folder}: another run is at work here (process {owner}). Wait for it, or stop it.")
    _remove(path, owner)
    handle, name = tempfile.mkstemp(prefix=f"{FILE}-", dir=folder)
    with os.fdopen(handle, "w") as out:
        out.write(f"{me}\n{processes.born(os.getpid())}\n")
    try:
        os.link(name, path)
    except FileExistsError:
        raise UserError(f"{folder}: another run has begun here just now. Wait for it, or stop it.") from None
    except OSError:  # no hard links here, so nothing that hosts share
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    threading.Thread(target=_keep, args=(path, me), name="lease", daemon=True).start()
    atexit.register(_remove, path, me)


def watch(folder: Path, owner: str, when_gone: Callable[[], None]) -> None:
    """Call `when_gone` from a daemon thread when the lease is another's, or its owner has not touched it for LOST_S."""

    def wait() -> None:
        seen, last = time.monotonic(), 0
        while time.monotonic() - seen < LOST_S:
            found, _, touched = _look(folder / FILE)
            if found not in ("", owner):
                break
            if found and touched != last:
                seen, last = time.monotonic(), touched
            time.sleep(TOUCH_S)
        when_gone()

    threading.Thread(target=wait, name="watch-lease", daemon=True).start()


def _look(path: Path) -> tuple[str, str, int]:
    """Owner, its birth, and when it touched the lease; empty where there is none. Opening it asks the file server."""
    try:
        with path.open() as file:
            owner, birth, *_ = [*file.read().splitlines(), "", ""]
            return owner, birth, os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return "", "", 0


def _lives(path: Path, owner: str, birth: str) -> bool:
    pid, _, host = owner.partition("@")
    if host == socket.gethostname():
        return bool(birth) and processes.born(int(pid)) == birth
    print(f"{path.parent}: waiting up to {LOST_S:.0f} s for a run on {host} to show that it lives", file=sys.stderr)
    until, before = time.monotonic() + LOST_S, _look(path)
    while time.monotonic() < until:
        now = _look(path)
        if now != before:
            return bool(now[0])
        time.sleep(TOUCH_S / 5)
    return False


def _remove(path: Path, owner: str) -> None:
    """Take away this owner's lease and no other: what is moved aside and proves to be another's goes back."""
    aside = path.with_name(f"{FILE}-{os.getpid()}-{socket.gethostname()}")
    with contextlib.suppress(OSError):
        path.rename(aside)
        if _look(aside)[0] != owner:
            os.link(aside, path)
        aside.unlink()


def _keep(path: Path, me: str) -> None:
    """Touch it; a process ends if another took over while it was suspended."""
    while True:
        time.sleep(TOUCH_S)
        owner, _, _ = _look(path)
        if owner not in ("", me):
            print(f"error: {path.parent}: the run of process {owner} has taken over here", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        with contextlib.suppress(OSError):
            os.utime(path)
