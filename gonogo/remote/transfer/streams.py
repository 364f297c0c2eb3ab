"""A stream: one connection to the machine that carries chunks of files, over OpenSSH's client where there is one.

OpenSSH's `ssh` moves about 400 MB/s where paramiko moves 200, and outside of this process; both look the same here.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import shlex
import shutil
import subprocess
import sys
import threading
from typing import IO, Any, Protocol

import fabric

from gonogo.agent.streams import BUFFER_BYTES, READY
from gonogo.base.bounded_json import SMALL
from gonogo.base.text import clean
from gonogo.config.target import Ssh
from gonogo.remote.agent_archive import compressed
from gonogo.remote.channel import Channel, LastWords, failure
from gonogo.remote.connection import open_connection
from gonogo.remote.errors import RemoteError, Unreachable
from gonogo.remote.machine import Machine

CONNECT_S = 15
# the link is dead when nothing comes for these two multiplied
ALIVE_S, ALIVE_TRIES = 5, 3
# AES-GCM first: three times as fast as OpenSSH's own choice wherever the processor knows AES
CIPHERS = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes256-ctr"
# the same as paramiko's, and a tenth of a second faster than OpenSSH's own choice on a busy machine
KEY_EXCHANGES = (
    "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
    "diffie-hellman-group-exchange-sha256,diffie-hellman-group14-sha256"
)
# Makes ssh's connection and hands it over: ssh itself leaves Nagle's algorithm on until the login is done, and some of
# its small messages then wait for the acknowledgement of the one before, a tenth of a second in all at 50 ms.
CONNECTOR = (
    "import socket as s, sys; link = s.create_connection((sys.argv[1], sys.argv[2]), float(sys.argv[3])); "
    "link.settimeout(None); link.setsockopt(s.IPPROTO_TCP, s.TCP_NODELAY, 1); "
    "s.send_fds(s.socket(fileno=1), [b'0'], [link.fileno()])"
)
LINK_FAILED = 255  # ssh's own exit code
LONGEST_GREETING_BYTES = 1 << 20


class Refused(Unreachable):
    """This stream could not be opened; another kind, or fewer of them, may work."""


class Stream(Protocol):
    """A command of the agent. `stop` may be called from another thread, the rest from one alone."""

    stdout: IO[bytes]

    def write(self, data: bytes) -> object: ...
    def end_input(self) -> None: ...
    def ended(self) -> RemoteError | None:
        """Waits for the end; what went wrong."""

    def stop(self) -> None: ...
    def close(self) -> None: ...


def open_stream(machine: Machine, kind: str, *args: str) -> Stream:
    """Start a command of the agent that waits until `begin`, so that connecting can go ahead of it.

    Args:
        kind: `ssh`, OpenSSH's client; `paramiko`, a connection of its own; `shared`, the machine's connection.

    Raises:
        Refused: it cannot be opened.
    """
    command = machine.waiting_agent_command(*args)
    name = f"agent {args[0]}"
    if kind == "ssh":
        return SshStream(machine.ssh, command, name, machine.where)
    if kind == "shared":
        return ChannelStream(machine.open(command, name))
    return ChannelStream.connected(machine.ssh, command, name, machine.where)


def begin(stream: Stream, *, put_agent: bool, question: bytes = b"") -> None:
    """Let the agent's command start, and skip what a login script printed before it.

    Args:
        put_agent: send the agent itself first, for a machine that may have another one, or none.
        question: what the command is asked first, sent along; `answer` reads the reply.

    Raises:
        Refused: there is no connection; RemoteError: the agent cannot work.
    """
    try:
        text = compressed() if put_agent else b""
        stream.write(b"%d\n" % len(text) + text + question)
        greeted = 0
        for line in iter(lambda: stream.stdout.readline(LONGEST_GREETING_BYTES), b""):
            if line.endswith(READY):
                return
            greeted += len(line)
            if greeted > LONGEST_GREETING_BYTES:
                raise RemoteError(
                    f"before gonogo's agent began, the login printed more than {LONGEST_GREETING_BYTES >> 20} MiB; "
                    "aborted. Check what its start-up files (.bashrc, .profile) print."
                )
    except Unreachable as error:
        raise Refused(str(error)) from error
    cause = stream.ended() or RemoteError("the agent ended before it was ready")
    raise Refused(str(cause)) if isinstance(cause, Unreachable) else cause


def answer(stream: Stream, most_bytes: int = SMALL.size_bytes) -> bytes:
    """The line that the agent answers a question with."""
    line = stream.stdout.readline(most_bytes + 1)
    if len(line) > most_bytes:
        raise RemoteError(f"the agent's answer is longer than {most_bytes / 1e6:.1f} MB; aborted")
    if not line.endswith(b"\n"):
        raise stream.ended() or RemoteError("the agent ended before it had answered")
    return line


def last_answer(stream: Stream) -> None:
    """End the stream's input and wait for what the agent says when all is done; its process may still be ending."""
    stream.end_input()
    answer(stream)


def ssh_arguments(ssh: Ssh, command: str) -> list[str]:
    """OpenSSH's client: without the user's configuration, with one key and one known_hosts, never asking."""
    if ssh.through:
        there = f"[{ssh.host}]:{ssh.port}"
        *before, _, jump, _ = ssh_arguments(ssh.through, "")
        connector = shlex.join(["ssh", *before, "-W", there, "--", jump])
    else:
        connector = shlex.join([sys.executable, "-ISc", CONNECTOR, ssh.host, str(ssh.port), str(CONNECT_S)])
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": _quoted(str(ssh.known_hosts.expanduser())),
        "GlobalKnownHostsFile": "none",
        "UpdateHostKeys": "no",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey",
        "ForwardAgent": "no",
        "ClearAllForwardings": "yes",
        "ControlPath": "none",
        "Compression": "no",
        "Ciphers": CIPHERS,
        "KexAlgorithms": KEY_EXCHANGES,
        "ProxyCommand": connector.replace("%", "%%"),
        "ProxyUseFdpass": "no" if ssh.through else "yes",
        "ConnectTimeout": str(CONNECT_S),
        "ServerAliveInterval": str(ALIVE_S),
        "ServerAliveCountMax": str(ALIVE_TRIES),
        "LogLevel": "ERROR",
    }
    words = ["-F", "none", "-T", "-e", "none", "-i", str(ssh.key_file.expanduser())]
    words += [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return [*words, "-p", str(ssh.port), "-l", ssh.user, "--", ssh.host, command]


def _quoted(path: str) -> str:
    """As ssh_config reads a path: blanks kept, `%` is no token."""
    return '"' + path.replace("%", "%%") + '"'


class SshStream:
    """Over a process of OpenSSH's `ssh`."""

    def __init__(self, ssh: Ssh, command: str, name: str, where: str) -> None:
        self._name, self._where = name, where
        self._errors = LastWords()
        program = shutil.which("ssh")
        if program is None:
            raise Refused(f"{where}: OpenSSH's ssh is not installed here")
        self._process = subprocess.Popen(
            [program, *ssh_arguments(ssh, command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "SHELL": "/bin/sh"},  # which starts the connector
            start_new_session=True,  # Ctrl-C is for us
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._collector = threading.Thread(target=self._collect, name=f"stderr of {name}", daemon=True)
        self._collector.start()
        self._stdin = self._process.stdin.fileno()
        for pipe in (self._stdin, self._process.stdout.fileno()):
            with contextlib.suppress(OSError):
                fcntl.fcntl(pipe, getattr(fcntl, "F_SETPIPE_SZ", 1031), BUFFER_BYTES)
        self.stdout: IO[bytes] = io.BufferedReader(self._process.stdout, BUFFER_BYTES)  # type: ignore[type-var]

    def write(self, data: bytes) -> object:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._stdin, view) :]
        except OSError:
            raise self.ended() or self._dropped() from None
        return None

    def end_input(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    def ended(self) -> RemoteError | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=ALIVE_S * ALIVE_TRIES + CONNECT_S)
        code = self._process.poll()
        if code == 0:
            return None
        self._collector.join(timeout=5)
        said = self._errors.text
        if code is None or code < 0 or code == LINK_FAILED:
            return self._dropped([clean(line) for line in said.strip().splitlines()[-1:]])
        return failure(self._where, self._name, code, said)

    def _collect(self) -> None:
        assert self._process.stderr is not None
        with contextlib.suppress(OSError, ValueError):  # closed meanwhile
            while data := os.read(self._process.stderr.fileno(), BUFFER_BYTES):
                self._errors.add(data)

    def _dropped(self, said: list[str] | None = None) -> Unreachable:
        why = f" ({said[0].strip()})" if said else ""
        return Unreachable(
            f"{self._where}: the link dropped while {self._name} ran{why}. Run the same command again to continue."
        )

    def stop(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._collector.join(timeout=5)
        for pipe in (self._process.stdin, self.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]


class _Reader(io.RawIOBase):
    """A channel's stdout as a raw stream."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._channel.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class ChannelStream:
    """Over paramiko, on a connection of its own or on the machine's."""

    def __init__(self, channel: Channel, connection: fabric.Connection | None = None) -> None:
        self._channel, self._connection = channel, connection
        self.stdout: IO[bytes] = io.BufferedReader(_Reader(channel), BUFFER_BYTES)

    @classmethod
    def connected(cls, ssh: Ssh, command: str, name: str, where: str) -> ChannelStream:
        try:
            connection = open_connection(ssh)
            return cls(Channel(connection.transport, command, name, where), connection)
        except Unreachable as error:
            raise Refused(str(error)) from error

    def write(self, data: bytes) -> object:
        return self._channel.write(data)

    def end_input(self) -> None:
        self._channel.end_input()

    def ended(self) -> RemoteError | None:
        try:
            self._channel.check()
        except RemoteError as error:
            return error
        return None

    def stop(self) -> None:
        self._channel.__exit__(None, None, None)

    def close(self) -> None:
        self.stop()
        if self._connection is not None:
            self._connection.close()
