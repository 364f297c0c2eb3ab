"""A TCP proxy on loopback that counts what passes, and cuts the line when told to."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK_BYTES = 1 << 16


class Proxy:
    """Forwards to a port; all its connections together are one line.

    Attributes:
        port: where it listens.
        to_port: where it forwards to.
        up, down: bytes that passed to the server, and from it.
        cut_after: once so many bytes passed in one way, the line is cut; None: never.
        silent: a cut line is not reset but says nothing any more, as when a laptop leaves the network.
    """

    def __init__(self, to_port: int) -> None:
        self.up = self.down = 0
        self.cut_after: int | None = None
        self.silent = False
        self.is_cut = threading.Event()
        self.to_port = to_port
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def mend(self) -> None:
        """The line is as new, and counts from nothing."""
        self.close_links()
        self.up = self.down = 0
        self.cut_after = None
        self.is_cut.clear()

    def close_links(self) -> None:
        """Reset every connection."""
        with self._lock:
            links, self._sockets = self._sockets, []
        for link in links:
            with contextlib.suppress(OSError):
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                link.shutdown(socket.SHUT_RDWR)
            link.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # else its thread would accept for whoever gets the number next
        self._accepting.join()
        self._listener.close()
        self.close_links()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self.to_port))
                except OSError:  # no server there now
                    near.close()
                    continue
                with self._lock:
                    self._sockets += [near, far]
                for source, sink, way in ((near, far, "up"), (far, near, "down")):
                    threading.Thread(target=self._forward, args=(source, sink, way), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                if self.is_cut.is_set():
                    if self.silent:
                        continue
                    break
                sink.sendall(data)
                with self._lock:
                    setattr(self, way, getattr(self, way) + len(data))
                    over = self.cut_after is not None and max(self.up, self.down) > self.cut_after
                if over and not self.is_cut.is_set():
                    self.is_cut.set()
                    if not self.silent:
                        self.close_links()
            if not self.is_cut.is_set():
                sink.shutdown(socket.SHUT_WR)


@contextmanager
def proxy(to_port: int) -> Iterator[Proxy]:
    made = Proxy(to_port)
    try:
        yield made
    finally:
        made.close()
