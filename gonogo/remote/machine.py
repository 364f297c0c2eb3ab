"""The machine that a target names: commands, files and runs on it. Paths there are relative to the target's root."""

from __future__ import annotations

import contextlib
import posixpath
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import fabric
import paramiko

from gonogo.base.bounded_json import SMALL, JsonBounds
from gonogo.config.target import Ssh, Target
from gonogo.remote.agent_archive import BOOTSTRAP, compressed
from gonogo.remote.agent_archive import NAME as AGENT
from gonogo.remote.answers import Done, Installed, Kind, Launched, Text, Unparsed, quoted, read
from gonogo.remote.channel import Channel, NoSession, Silent, failure
from gonogo.remote.connection import open_connection
from gonogo.remote.errors import NotOurTurn, RemoteError, Unreachable
from gonogo.remote.login import explained
from gonogo.remote.run_request import RunRequest
from gonogo.remote.shell import command_line

ENVIRONMENT = "env"  # folder of the packages that ship for training, below the root
ANSWER_S = 120.0
GREETING_AT_MOST_BYTES = 1 << 20  # of login scripts, before the answer
TEXT_BOUNDS = JsonBounds(44 << 20, 2_500_000)  # of a file: the commas of its text count as values
READ_BYTES = 1 << 20


@contextlib.contextmanager
def connect(ssh: Ssh, target: Target, *, wait: bool = True) -> Iterator[Machine]:
    """The target's machine, for as long as the block lasts.

    Args:
        wait: otherwise the connection is opened while the block's first work runs, and what is wrong with it is
            raised there, by what needs it first.

    Raises:
        UserError: it cannot be reached, its host key has changed, or it refuses our key; says what to do.
    """
    opening = PendingConnection(ssh)
    try:
        if wait:
            opening.connection()
        yield Machine(opening, ssh, target)
    finally:
        opening.close()


class PendingConnection:
    """A connection that is being opened."""

    def __init__(self, ssh: Ssh) -> None:
        self._future: Future[fabric.Connection] = Future()
        threading.Thread(target=self._open, args=(ssh,), name="connection", daemon=True).start()

    def _open(self, ssh: Ssh) -> None:
        try:
            self._future.set_result(open_connection(ssh))
        except BaseException as error:
            self._future.set_exception(error)

    def connection(self) -> fabric.Connection:
        """Once it is open; or what went wrong."""
        return self._future.result()

    def close(self) -> None:
        """Now, or as soon as it is open."""
        self._future.add_done_callback(lambda done: None if done.exception() else done.result().close())


class Machine:
    """A connected machine. Arguments are quoted: the remote shell never interprets one."""

    def __init__(self, opening: PendingConnection, ssh: Ssh, target: Target) -> None:
        self._opening = opening
        self.ssh, self.target = ssh, target
        self.root = target.root
        self.left_bytes = float("inf")  # what the transfer under way has still to move, or had when its link dropped
        self.where = f"{ssh.user}@{ssh.host}"
        self.agent_python = sys.executable if target.python == "this" else target.python

    def hang_up(self) -> None:
        """Close the connection, from any thread; what runs over it fails."""
        self._opening.close()

    def path(self, path: str) -> str:
        """A path below the root, as the login sees it."""
        return posixpath.join(self.root, path)

    # --- commands ---

    def start(self, argv: Sequence[str], *, cwd: str | None = None) -> Channel:
        """Start a command; in the login's home, or in `cwd` below the root."""
        command = command_line(argv, "" if cwd is None else self.path(cwd) or ".")
        return self.open(command, " ".join(argv[:3]))

    def open(self, command: str, name: str) -> Channel:
        """Start a command line; on a connection of its own where the machine allows no second command on this one."""
        try:
            return Channel(self.transport, command, name, self.where)
        except NoSession:
            connection = open_connection(self.ssh)
            try:
                return Channel(connection.transport, command, name, self.where, connection.close)
            except BaseException:
                connection.close()
                raise

    @property
    def transport(self) -> paramiko.Transport:
        """The connection itself, on which further channels can be opened."""
        transport: paramiko.Transport = self._opening.connection().transport
        return transport

    def waiting_agent_command(self, *args: str) -> str:
        """A command line for the remote shell: a command of the agent that waits for its archive, or for a 0."""
        return command_line([self.agent_python, "-c", BOOTSTRAP, self.root, AGENT, *args])

    def start_agent(self, *args: str) -> Channel:
        """Start a command of the agent, in the root."""
        channel = self.start([self.agent_python, AGENT, *args], cwd=".")
        channel.name = f"agent {args[0]}"
        return channel

    def ask(
        self,
        kind: type[Kind],
        *args: str,
        stdin: str = "",
        timeout_s: float = ANSWER_S,
        bounds: JsonBounds = SMALL,
        install: bool = False,
    ) -> Kind:
        """Run a command of the agent, in the root; returns what it answers, as a `kind` of `answers` or `file_lists`.

        Args:
            install: send the agent along, for a machine that may have another one, or none.

        Raises:
            RemoteError: it failed, with its last words, took longer than `timeout_s`, or answered something else.
            Unreachable: the link dropped.
        """
        if install:
            channel = self.open(self.waiting_agent_command(*args), f"agent {args[0]}")
            sent = b"%d\n" % len(compressed()) + compressed() + stdin.encode()
        else:
            channel, sent = self.start_agent(*args), stdin.encode()
        try:
            with channel:
                output = _output(channel, timeout_s, sent, bounds.size_bytes + GREETING_AT_MOST_BYTES)
            return read(kind, _last_line(output), f"{self.where}: {channel.name}", bounds)
        except Unreachable:
            raise
        except RemoteError as error:
            raise explained(self, error) from None

    def run_agent(self, *args: str, stdin: str = "", timeout_s: float = ANSWER_S) -> Any:
        """`ask` for an answer of any kind, not to be used before it is parsed."""
        return self.ask(Unparsed, *args, stdin=stdin, timeout_s=timeout_s)

    # --- files ---

    def install_agent(self) -> bool:
        """Put the agent into the root unless the same one is there; returns whether that was needed."""
        return self.ask(Installed, "installed", install=True).new

    def read_text(self, path: str) -> str | None:
        """A small file's text; None where there is no such file."""
        return self.ask(Text, "read", path, bounds=TEXT_BOUNDS).text

    def put_text(self, path: str, text: str) -> None:
        """Write a small file whole or not at all, its folders made."""
        self.ask(Done, "put", path, stdin=text)

    # --- runs ---

    def launch(self, run_dir: str, *, arguments: Sequence[str], packages: str = ENVIRONMENT, **terms: Any) -> Launched:
        """Start the training interpreter with these arguments, detached.

        Args:
            packages: folder of the environment that trains.
            terms: the other fields of `RunRequest`.

        Returns:
            `state` started | already (a run holds the workspace) | done (this key has finished), with that run's
            `run_dir` and `key`.

        Raises:
            NotOurTurn: another workspace's run, or a setup, is at work.
        """
        python = sys.executable if self.target.python == "this" else f"./{packages}/bin/python"
        request = RunRequest(argv=[python, *arguments], **terms)
        answer = self.ask(Launched, "launch", run_dir, stdin=request.model_dump_json())
        if answer.state == "waiting":
            raise NotOurTurn(self.where, quoted(answer.run_dir))
        if answer.state == "started" and request.max_s and not answer.timer.ends_in_s:
            raise RemoteError(f"{self.where}: the run started, but its second timer has no deadline for it")
        return answer


def _output(channel: Channel, timeout_s: float, sent: bytes, most_bytes: int) -> bytearray:
    """What the command writes to stdout, once it has ended well."""
    until = time.monotonic() + timeout_s
    output = bytearray()
    try:
        if sent:
            channel.write(sent)
        channel.end_input()
        while data := channel.read(READ_BYTES, max(0.01, until - time.monotonic())):
            output += data
            if len(output) > most_bytes:
                raise RemoteError(f"{channel.where}: {channel.name} sent more than {most_bytes / 1e6:.1f} MB; aborted")
        code, errors = channel.finish(max(0.01, until - time.monotonic()))
    except Silent:
        raise RemoteError(f"{channel.where}: {channel.name} has not ended after {timeout_s:g} s") from None
    if code:
        raise failure(channel.where, channel.name, code, errors)
    return output


def _last_line(output: bytearray) -> bytes:
    """The answer; a login script may have printed before it. Leaves the output empty, which may be large."""
    while output.endswith(b"\n"):
        output.pop()
    del output[: output.rfind(b"\n") + 1]
    line = bytes(output)
    output.clear()
    return line
