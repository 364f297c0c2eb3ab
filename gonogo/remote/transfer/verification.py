"""Whether the machine still holds what was uploaded."""

from __future__ import annotations

from gonogo.base.commands import rerun_command
from gonogo.remote.errors import RemoteError
from gonogo.remote.file_lists import Verified
from gonogo.remote.machine import Machine
from gonogo.remote.transfer.common import HASHING_S


def verify(machine: Machine, remote_root: str) -> int:
    """Let the machine read again everything that the last upload brought; returns the number of files.

    Raises:
        RemoteError: something differs from what was sent; names it.
    """
    verified = machine.ask(Verified, "verify", remote_root, timeout_s=HASHING_S)
    if verified.different or verified.wrong:
        first = verified.wrong[0] if verified.wrong else "not named"
        raise RemoteError(
            f"{machine.where}: {verified.different} of {verified.files} files differ from what was sent, the first is "
            f"{first}. Upload again, which replaces them: {rerun_command(forcerun='upload')}. If it happens again, the "
            "disk is broken."
        )
    return verified.files
