"""A server that answers as DigitalOcean does."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest


class Cloud(http.server.ThreadingHTTPServer):
    """The part of DigitalOcean's documented API, version 2, that destroying needs."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Droplets)
        self.droplets = {7: ("gonogo-h200", "203.0.113.7", ["gonogo"]), 8: ("somebody-elses", "203.0.113.8", ["web"])}
        self.lingers_s = 0.0
        self.fails: list[int | str] = []  # what the next requests get: a status, or `cut`, `odd`, `drop`
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Droplets(http.server.BaseHTTPRequestHandler):
    server: Cloud

    def do_GET(self) -> None:
        path = urllib.parse.urlparse(self.path)
        if self._refused():
            return
        if path.path == "/v2/droplets":
            tag = urllib.parse.parse_qs(path.query)["tag_name"][0]
            found = [self._droplet(number) for number, (_, _, tags) in self.server.droplets.items() if tag in tags]
            self._answer(200, {"droplets": found, "links": {}, "meta": {"total": len(found)}})
        elif (number := int(path.path.rpartition("/")[2])) in self.server.droplets:
            self._answer(200, {"droplet": self._droplet(number)})
        else:
            self._answer(404, {"id": "not_found", "message": "The resource you were accessing could not be found."})

    def do_DELETE(self) -> None:
        number = int(self.path.rpartition("/")[2])
        if self._refused():
            return
        if number in self.server.droplets:
            threading.Timer(self.server.lingers_s, self.server.droplets.pop, (number, None)).start()
            self._answer(204, None)
        else:
            self._answer(404, {"id": "not_found", "message": "The resource you were accessing could not be found."})

    def _droplet(self, number: int) -> dict[str, Any]:
        name, address, tags = self.server.droplets[number]
        networks = {"v4": [{"ip_address": address, "type": "public"}], "v6": []}
        return {"id": number, "name": name, "status": "active", "networks": networks, "tags": tags}

    def _refused(self) -> bool:
        self.server.asked.append(f"{self.command} {self.path}")
        if self.server.fails:
            self._fail(self.server.fails.pop(0))
            return True
        if self.headers["Authorization"] == "Bearer good-token":
            return False
        self._answer(401, {"id": "unauthorized", "message": "Unable to authenticate you"})
        return True

    def _fail(self, how: int | str) -> None:
        """As servers do that are overloaded, links that are cut and what stands between."""
        if isinstance(how, int):
            self._answer(how, {"id": "unavailable", "message": "Try again later."})
        elif how == "odd":
            self._answer(200, {"machines": "none of your business"})
        elif how == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "4000")
            self.end_headers()
            self.wfile.write(b'{"droplets": [')
        else:
            self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, status: int, body: Any) -> None:
        self.send_response(status)
        self.end_headers()
        if body is not None:
            self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    server = Cloud()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
