"""A web server on loopback that records what it is told, and answers as a test wants."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

HANG = 0  # in place of an answer's code


@dataclass
class Told:
    """A request; `path` is the whole address where it came through a proxy's door."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    url: str
    told: list[Told] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)  # codes, one for each request; 200 once they are used up
    ended: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            known.told.append(Told(self.path, dict(self.headers), body))
            code = known.answers.pop(0) if known.answers else 200
            if code == HANG:
                known.ended.wait(timeout=60)
                return
            self.send_response(code)
            self.end_headers()

        def log_message(self, *anything: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield known
    finally:
        known.ended.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def as_proxy(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    """Receives what is meant for hosts of the internet."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", receiver.url)
    return receiver
