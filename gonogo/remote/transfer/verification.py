"""Whether the machine still holds what was uploaded."""

from __future__ import annotations

from gonogo.base.commands import rerun_command
from gonogo.remote.answers import Verified, read
from gonogo.remote.errors import RemoteError
from gonogo.remote.machine import Machine
from gonogo.remote.transfer.common import HASHING_S


def verify(machine: Machine, remote_root: str) -> int:
    """Let the machine read again everything that the last upload brought; returns the number of files.

    Raises:
        RemoteError: something differs from what was sent; names it.
    """
    answer = machine.run_agent("verify", remote_root, timeout_s=HASHING_S)
    verified = read(Verified, answer, f"{machine.where}: agent verify")
    if verified.wrong:
        first, count = verified.wrong[0], len(verified.wrong)
        raise RemoteError(
            f"{machine.where}: {count} of {verified.files} files differ from what was sent, the first is {first}. "
            f"Upload again, which replaces them: {rerun_command(forcerun='upload')}. If it happens again, the disk is "
            "broken."
        )
    return verified.files
