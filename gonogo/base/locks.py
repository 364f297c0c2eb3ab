"""One workflow at a time in a results folder, on one host and on several that share it.

On one host the kernel's lock says so, and a killed run leaves none behind. Between hosts that lock may not hold, or may
not exist, as on many network file systems: there the lease does.
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path
from typing import TextIO

from gonogo.base import lease
from gonogo.base.errors import UserError, explain

_held: list[TextIO] = []


def hold(folder: Path) -> None:
    """Hold `folder`'s lock until this process ends.

    Raises:
        UserError: another process holds it, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a+")
    except OSError as error:
        raise explain(error, folder) or UserError(
            f"{folder}: cannot be made: {error.strerror}. Set results_dir."
        ) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise UserError(
            f"{folder}: another run is at work here (process {file.read().strip() or 'unknown'}). "
            "Wait for it, or stop it."
        ) from None
    except OSError:  # this file system knows no such locks
        pass
    try:
        lease.take(folder)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
    except OSError as error:
        raise explain(error, folder) or UserError(f"{folder}: cannot be locked: {error.strerror}") from None
    _held.append(file)


def hold_or_exit(folder: Path) -> None:
    """`hold`, as the workflow calls it: one line and exit code 1 instead of a traceback."""
    try:
        hold(folder)
    except UserError as error:
        sys.exit(f"error: {error}")
