"""A server that never stops talking, before its key is known, is given up in little memory."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import paramiko
import pytest

from gonogo.config.target import Ssh
from gonogo.remote import bounded_ssh
from gonogo.remote.bounded_ssh import BoundedTransport, bound_buffers
from gonogo.remote.connection import open_connection
from gonogo.remote.errors import Unreachable
from tests.waiting import LIMIT_S

BLOCK = b"x" * 65536


def greeting_without_end(link: socket.socket) -> None:
    while True:
        link.sendall(BLOCK)


def lines_without_end(link: socket.socket) -> None:
    while True:
        link.sendall(b"\n" * 65536)


def huge_packet(link: socket.socket) -> None:
    link.sendall(b"SSH-2.0-evil\r\n" + struct.pack(">IB", 0x40000004, 4))
    greeting_without_end(link)


@contextlib.contextmanager
def serving(talk: Callable[[socket.socket], None]) -> Iterator[tuple[int, list[int]]]:
    """A port where this is said, and how many bytes were taken."""
    taken = [0]
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    link, _ = server.accept()
                    send = link.sendall

                    def counted(data: bytes, send: Callable[[bytes], None] = send) -> None:
                        send(data)
                        taken[0] += len(data)

                    with link, contextlib.suppress(OSError):
                        talk(SimpleNamespace(sendall=counted))  # type: ignore[arg-type]

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], taken


@pytest.mark.parametrize("talk", [greeting_without_end, lines_without_end, huge_packet])
def test_before_the_key_is_known_nothing_large_is_read(talk: Callable[[socket.socket], None], tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True, timeout=LIMIT_S)
    (tmp_path / "known_hosts").touch()
    with serving(talk) as (port, taken):
        ssh = Ssh(
            host="127.0.0.1", port=port, user="u", key_file=tmp_path / "key", known_hosts=tmp_path / "known_hosts"
        )
        began = time.monotonic()
        with pytest.raises(Unreachable, match="no SSH server answers") as told:
            open_connection(ssh)
        assert time.monotonic() - began < 30 and str(told.value).isprintable()
    assert taken[0] < 16 << 20, "what the sockets' buffers hold, and no more"


def test_a_greeting_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_ssh, "GREETING_AT_MOST_S", 0.5)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        over = threading.Event()

        def drip() -> None:
            while not over.wait(0.1):
                with contextlib.suppress(OSError):
                    theirs.send(b"x")

        threading.Thread(target=drip, daemon=True).start()
        transport = BoundedTransport(ours)
        with pytest.raises(paramiko.SSHException, match="greeting has no end"):
            transport.start_client(timeout=20)
        over.set()
        transport.close()


def test_what_is_sent_beyond_the_window_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_ssh, "WAITING_AT_MOST_BYTES", 1 << 20)
    channel = paramiko.Channel(1)
    bound_buffers(channel)
    with pytest.raises(paramiko.SSHException, match="sends more than it may"):
        for _ in range(100):
            channel.in_buffer.feed(BLOCK)
    assert len(channel.in_buffer) < 2 << 20
