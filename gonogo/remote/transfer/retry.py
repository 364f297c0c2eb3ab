"""Files to the machine and back: by manifest of hashes, in pieces that a cut does not lose, verified on arrival."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from gonogo.base.commands import rerun_command
from gonogo.config.target import Ssh, Target
from gonogo.remote.errors import RemoteError, Unreachable
from gonogo.remote.machine import Machine, connect
from gonogo.remote.transfer.common import HASHING_S, Transfer
from gonogo.remote.transfer.download import download
from gonogo.remote.transfer.upload import upload

__all__ = ["Transfer", "download", "persistently", "upload", "verify"]

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
Result = TypeVar("Result")


def verify(machine: Machine, remote_root: str) -> int:
    """Let the machine read again everything that the last upload brought; returns the number of files.

    Raises:
        RemoteError: something is not as it was sent; names it.
    """
    found = machine.run_agent("verify", remote_root, timeout_s=HASHING_S)
    if found["wrong"]:
        first, count = found["wrong"][0], len(found["wrong"])
        raise RemoteError(
            f"{machine.where}: {count} of {found['files']} files are not what was sent, the first is {first}. "
            f"Upload again, which replaces them: {rerun_command(forcerun='upload')}. If it happens again, the disk is "
            "broken."
        )
    return int(found["files"])


def persistently(
    ssh: Callable[[], Ssh],
    target: Target,
    work: Callable[[Machine], Result],
    say: Callable[[str], None],
    patience_s: float = 600.0,
) -> Result:
    """Do work that continues where it was cut off, on a new connection whenever the link drops.

    Raises:
        Unreachable: not one connection worked for `patience_s`.
    """
    heard, pause = time.monotonic(), FIRST_PAUSE_S
    while True:
        began = time.monotonic()
        try:
            with connect(ssh(), target, wait=False) as machine:
                return work(machine)
        except Unreachable as error:
            if time.monotonic() - began > LONGEST_PAUSE_S:
                heard, pause = time.monotonic(), FIRST_PAUSE_S  # it had worked for a while
            if time.monotonic() - heard > patience_s:
                raise
            say(f"{error} Trying again in {pause:.0f} s.")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)
