"""A server that answers as DigitalOcean does."""

from __future__ import annotations

import http.server
import json
import re
import socket
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pytest

SIZES: list[dict[str, Any]] = [
    {"slug": "s-1vcpu-1gb", "price_hourly": 0.00893, "available": True, "regions": ["nyc3", "atl1"]},
    {"slug": "gpu-mi300x1-192gb", "price_hourly": 1.99, "available": True, "regions": ["atl1", "nyc2"]},
    {"slug": "gpu-h200x1-141gb", "price_hourly": 3.44, "available": False, "regions": []},
]
ASKED_WITH = {"name", "region", "size", "image", "ssh_keys", "tags", "user_data"}


class Cloud(http.server.ThreadingHTTPServer):
    """The part of DigitalOcean's documented API, version 2, that destroying and renting need."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Droplets)
        self.droplets = {7: ("gonogo-h200", "203.0.113.7", ["gonogo"]), 8: ("somebody-elses", "203.0.113.8", ["web"])}
        self.lingers_s = 0.0
        self.fails: list[int | str] = []  # what the next requests get: a status, or `cut`, `odd`, `drop`
        self.asked: list[str] = []
        self.sizes = SIZES
        self.keys: list[str] = []  # fingerprints of the account's SSH keys
        self.bodies: list[dict[str, Any]] = []  # of orders
        self.orders: list[tuple[int, str] | str] = []  # what the next orders get: a refusal, `lost` or `odd`
        self.boot: Callable[[str], None] = lambda user_data: None
        self.booting: set[int] = set()  # not looked at yet, so without an address

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
        elif path.path == "/v2/sizes":
            self._answer(200, {"sizes": self.server.sizes, "links": {}, "meta": {"total": len(self.server.sizes)}})
        elif path.path.startswith("/v2/account/keys/"):
            known = path.path.rpartition("/")[2] in self.server.keys
            self._answer(*((200, {"ssh_key": {"id": 1}}) if known else (404, {"id": "not_found", "message": "no"})))
        elif (number := int(path.path.rpartition("/")[2])) in self.server.droplets:
            self._answer(200, {"droplet": self._droplet(number)})
        else:
            self._answer(404, {"id": "not_found", "message": "The resource you were accessing could not be found."})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._refused():
            return
        order = self.server.orders.pop(0) if self.server.orders else None
        if isinstance(order, tuple):
            self._answer(order[0], {"id": "refused", "message": order[1]})
            return
        if wrong := self._wrong(body):
            self._answer(422, {"id": "unprocessable_entity", "message": wrong})
            return
        number = max(self.server.droplets) + 1
        self.server.bodies.append(body)
        self.server.droplets[number] = (body["name"], "127.0.0.1", body["tags"])
        self.server.booting.add(number)
        self.server.boot(body["user_data"])
        if order == "lost":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif order == "odd":
            self._answer(202, {"droplet": {"id": "$(reboot)", "name": [], "status": "yours"}})
        else:
            self._answer(202, {"droplet": self._droplet(number), "links": {"actions": []}})

    def _wrong(self, body: dict[str, Any]) -> str:
        """What DigitalOcean's OpenAPI document does not allow (models droplet_single_create and droplet_create)."""
        size = next((one for one in self.server.sizes if one["slug"] == body.get("size")), None)
        checks = {
            "path": self.path == "/v2/droplets" and self.headers["Content-Type"] == "application/json",
            "keys": set(body) == ASKED_WITH,
            "name": re.fullmatch(r"[a-zA-Z0-9]?[a-z0-9A-Z.\-]*[a-z0-9A-Z]", str(body.get("name"))),
            "size": size is not None and body.get("region") in size["regions"],
            "image": body.get("image") in ("gpu-amd-base", 4711),
            "ssh_keys": body.get("ssh_keys") and set(body["ssh_keys"]) <= set(self.server.keys),
            "tags": all(re.fullmatch(r"[a-zA-Z0-9_\-:]{1,255}", tag) for tag in body.get("tags", [""])),
            "user_data": len(str(body.get("user_data"))) < 64 << 10,
        }
        return ", ".join(name for name, well in checks.items() if not well)

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
        if number in self.server.booting:
            self.server.booting.discard(number)
            return {"id": number, "name": name, "status": "new", "networks": {"v4": [], "v6": []}, "tags": tags}
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
