"""Bounds that paramiko does not set: on a packet, on a greeting, and on what waits to be read.

Packets and greetings are read before the host's key is known, so that anyone on the way could send them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import paramiko
from paramiko.ssh_exception import SSHException

PACKET_AT_MOST_BYTES = 256 << 10  # RFC 4253 asks for 35 000 bytes
GREETING_AT_MOST_BYTES, GREETING_AT_MOST_S = 64 << 10, 30.0
WAITING_AT_MOST_BYTES = 16 << 20  # several times the window that a server has to keep to


class BoundedTransport(paramiko.Transport):
    """Gives up a server that sends a packet or a greeting without end."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        packetizer: Any = self.packetizer
        packetizer.read_all = _bounded_packets(packetizer.read_all)
        packetizer._read_timeout = _bounded_greeting(packetizer._read_timeout)


def _bounded_packets(read_all: Callable[..., bytes]) -> Callable[..., bytes]:
    def read(size: int, check_rekey: bool = False) -> bytes:
        if size > PACKET_AT_MOST_BYTES:
            raise SSHException(f"the server announces a packet of {size} bytes")
        return read_all(size, check_rekey)

    return read


def _bounded_greeting(read_some: Callable[[float], bytes]) -> Callable[[float], bytes]:
    count, until = 0, time.monotonic() + GREETING_AT_MOST_S

    def read(timeout_s: float) -> bytes:
        nonlocal count
        data = read_some(timeout_s)
        count += len(data)
        if count > GREETING_AT_MOST_BYTES or time.monotonic() > until:
            raise SSHException("the server's greeting has no end")
        return data

    return read


def bound_buffers(channel: paramiko.Channel) -> None:
    """End the connection of a server that sends more than it may while nobody reads."""
    for pipe in (channel.in_buffer, channel.in_stderr_buffer):
        _bound(pipe)


def _bound(pipe: Any) -> None:
    feed = pipe.feed

    def bounded(data: bytes) -> None:
        if len(pipe) > WAITING_AT_MOST_BYTES:
            raise SSHException("the server sends more than it may")
        feed(data)

    pipe.feed = bounded
