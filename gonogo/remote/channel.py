"""One command on the machine, with its three streams."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

import paramiko
from paramiko.ssh_exception import SSHException

from gonogo.base.text import clean
from gonogo.remote.bounded_ssh import bound_buffers
from gonogo.remote.errors import RemoteError, Unreachable

SILENT_S = 300.0
STDERR_KEPT_BYTES = 64 << 10
SHOWN_LINES, SHOWN_CHARACTERS = 5, 1000
_BROKEN = (SSHException, EOFError, OSError)


class LastWords:
    """The end of what a command writes to stderr, whatever it writes."""

    def __init__(self) -> None:
        self._kept: deque[bytes] = deque()
        self._bytes = 0

    def add(self, data: bytes) -> None:
        self._kept.append(data[-STDERR_KEPT_BYTES:])
        self._bytes += len(self._kept[-1])
        while self._bytes - len(self._kept[0]) >= STDERR_KEPT_BYTES:
            self._bytes -= len(self._kept.popleft())

    @property
    def text(self) -> str:
        return b"".join(self._kept)[-STDERR_KEPT_BYTES:].decode(errors="replace")


class Silent(Unreachable):
    """Nothing was received for as long as the caller waits."""


class NoSession(Unreachable):
    """The machine allows no further command on this connection (sshd's MaxSessions)."""


class Channel:
    """A running command: `write` to its stdin, `read` its stdout, `finish` for its exit code and stderr.

    Leaving the context closes the channel: the command then sees its stdin end and its writes fail.

    Attributes:
        name: what errors call the command.
        where: the machine, as errors call it.
        at_end: stdout was read to its end.

    Args:
        close: ends the connection that was opened for this command alone.

    Raises:
        NoSession: the connection has as many commands as the machine allows.
        RemoteError: the machine runs no commands.
    """

    def __init__(
        self,
        transport: paramiko.Transport,
        command: str,
        name: str,
        where: str,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.name, self.where = name, where
        self.at_end = False
        self._transport, self._close = transport, close
        self._errors = LastWords()
        try:
            self._channel = transport.open_session(timeout=15)
            bound_buffers(self._channel)
        except paramiko.ChannelException as error:
            raise NoSession(f"{where}: no further command on this connection ({error.text})") from error
        except _BROKEN as error:
            raise self._dropped() from error
        try:
            self._channel.exec_command(command)
        except _BROKEN as error:
            if self._alive():
                raise RemoteError(f"{where}: the machine refuses to run {name}") from error
            raise self._dropped() from error
        self._collector = threading.Thread(target=self._collect, name=f"stderr of {name}", daemon=True)
        self._collector.start()

    def __enter__(self) -> Channel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()
        self._close()

    def write(self, data: bytes) -> int:
        """All of it.

        Raises:
            RemoteError: the command ended before it read everything; with what it said.
        """
        try:
            self._channel.settimeout(SILENT_S)
            self._channel.sendall(data)
        except _BROKEN as error:
            raise self._ended_early() from error
        return len(data)

    def end_input(self) -> None:
        """The command sees the end of its stdin."""
        try:
            self._channel.shutdown_write()
        except _BROKEN as error:
            raise self._dropped() from error

    def read(self, size: int, timeout_s: float = SILENT_S) -> bytes:
        """Up to `size` bytes of stdout; none at its end.

        Raises:
            Silent: nothing came for `timeout_s`.
        """
        self._channel.settimeout(timeout_s)
        try:
            data = self._channel.recv(size)
        except TimeoutError:
            raise Silent(f"{self.where}: {self.name} sent nothing for {timeout_s:g} s") from None
        self.at_end = not data
        return data

    def finish(self, timeout_s: float = SILENT_S) -> tuple[int, str]:
        """Exit code and the end of stderr, once the command has ended.

        Raises:
            Unreachable: the link dropped before the command ended; Silent: it has not ended after `timeout_s`.
            RemoteError: a signal killed it.
        """
        if not self._channel.status_event.wait(timeout_s):
            raise Silent(f"{self.where}: {self.name} has not ended after {timeout_s:g} s")
        code = self._channel.recv_exit_status()
        self._collector.join(timeout=5)
        if code >= 0:
            return code, self._errors.text
        if not self._alive():
            raise self._dropped()
        raise RemoteError(f"{self.where}: {self.name} was killed by a signal")

    def check(self, timeout_s: float = SILENT_S) -> None:
        """`finish`, and raise RemoteError unless the exit code is 0."""
        code, errors = self.finish(timeout_s)
        if code:
            raise failure(self.where, self.name, code, errors)

    def _alive(self) -> bool:
        """Whether the link still stands; a moment is left to a transport that is going down."""
        until = time.monotonic() + 0.5
        while self._transport.is_active() and time.monotonic() < until:
            time.sleep(0.05)
        return self._transport.is_active()

    def _ended_early(self) -> RemoteError:
        try:
            self.check(timeout_s=10)
        except RemoteError as error:
            return error
        return RemoteError(f"{self.where}: {self.name} ended before it had read everything")

    def _dropped(self) -> Unreachable:
        return Unreachable(
            f"{self.where}: the link dropped while {self.name} ran. Run the same command again to continue."
        )

    def _collect(self) -> None:
        while True:
            try:
                data = self._channel.recv_stderr(STDERR_KEPT_BYTES)
            except TimeoutError:
                continue
            if not data:
                return
            self._errors.add(data)


def failure(where: str, name: str, code: int, errors: str) -> RemoteError:
    """The error that reports a command that failed, with the last lines of what it said, safe to show."""
    lines = [clean(line)[-SHOWN_CHARACTERS:] for line in errors.strip().splitlines()[-SHOWN_LINES:]]
    last = "\n".join(lines) or "it printed nothing"
    return RemoteError(f"{where}: {name} failed (exit code {code}): {last}")
