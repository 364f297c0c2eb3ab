"""Why a command did not run as we sent it: what the login does in its place, in words."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from gonogo.config.target import Ssh
from gonogo.remote.answers import quoted
from gonogo.remote.channel import Channel
from gonogo.remote.errors import RemoteError

SAID = "gonogo may run commands"
PROBE = ("sh", "-c", "echo gonogo may run commands")
PROBE_S = 10.0  # for all of it, however slowly it drips
READ_BYTES, READ_AT_MOST_BYTES = 1 << 12, 1 << 16
NO_TERMINAL = "doesn't support PTY"  # RunPod's proxy
PROXIES = ("ssh.runpod.io",)
NOT_THERE = 127  # a shell's exit code for a program that it does not find


class Login(Protocol):
    """What is asked: a connected machine."""

    where: str
    ssh: Ssh
    agent_python: str

    def start(self, argv: Sequence[str]) -> Channel: ...


def explained(login: Login, error: RemoteError) -> RemoteError:
    """The same error, or a better one where the login runs no commands, or runs something else in their place."""
    if f"(exit code {NOT_THERE})" in str(error):
        return RemoteError(
            f"{login.where}: {login.agent_python} is not there: install it (Debian, Ubuntu: sudo apt install python3), "
            "or write the path of another Python into the target's python"
        )
    if SAID in (said := _probed(login)):
        return error
    if NO_TERMINAL in said or login.ssh.host in PROXIES:
        return RemoteError(
            f"{login.where} is a proxy for people at a terminal, which runs no commands. Write the address and port of "
            "the machine itself into connection.host and connection.port: the provider shows where its port 22 is "
            "reached by TCP (RunPod: SSH over exposed TCP)."
        )
    if "not available" in said or "nologin" in said:
        return RemoteError(
            f"{login.where}: this user may not run commands (its login shell is nologin): set connection.user"
        )
    if "restricted" in said:
        return RemoteError(f"{login.where}: the login shell is restricted; on the machine: sudo chsh -s /bin/bash USER")
    return RemoteError(
        f"{login.where}: the login runs something else in place of our commands; it said {quoted(said)!r}. Remove the "
        "command= of our key in ~/.ssh/authorized_keys, ForceCommand in sshd_config, or what a login script "
        "(~/.bashrc, ~/.profile) starts there, such as tmux."
    )


def _probed(login: Login) -> str:
    """What the login says where it should say SAID."""
    said, until = b"", time.monotonic() + PROBE_S
    try:
        with login.start(PROBE) as channel:
            channel.end_input()
            while len(said) < READ_AT_MOST_BYTES and (data := channel.read(READ_BYTES, _left_s(until))):
                said += data
            _, errors = channel.finish(_left_s(until))
    except RemoteError as error:
        return said.decode(errors="replace") or str(error)
    return f"{said.decode(errors='replace')} {errors}".strip() or "nothing"


def _left_s(until: float) -> float:
    return max(0.01, until - time.monotonic())
