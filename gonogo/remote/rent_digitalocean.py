"""Renting a droplet by DigitalOcean's public HTTPS API, version 2 (github.com/digitalocean/openapi)."""

from __future__ import annotations

import base64
import hashlib
import http
import re
from typing import Annotated, Literal

from pydantic import BaseModel, Field, IPvAnyAddress

from gonogo.base.errors import UserError
from gonogo.base.text import clean
from gonogo.config.target import Release, Rent
from gonogo.remote import providers
from gonogo.remote.providers import DigitalOcean
from gonogo.remote.rental import Booting, Order, as_documented, cloud_config

PER_PAGE, MOST_PAGES = 200, 10
MAX_USD_PER_HOUR = 1000.0
KEYS_PAGE = "https://cloud.digitalocean.com/account/security"


class _DropletSize(BaseModel):
    slug: str
    price_hourly: float = Field(gt=0, le=MAX_USD_PER_HOUR)
    available: bool
    regions: list[str]


class _SizesPage(BaseModel):
    sizes: list[_DropletSize]


class _Network(BaseModel):
    ip_address: IPvAnyAddress
    type: str


class _Networks(BaseModel):
    v4: list[_Network] = []


class _Droplet(BaseModel):
    id: Annotated[int, Field(gt=0)]
    name: str
    status: Literal["new", "active", "off", "archive"]
    networks: _Networks = _Networks()


class _OneDroplet(BaseModel):
    droplet: _Droplet


class DigitalOceanRental(DigitalOcean):
    """A droplet, named after its order, with the target's tag."""

    def __init__(self, rent: Rent, release: Release) -> None:
        super().__init__(providers.digitalocean_token(), release.tag, providers.DIGITALOCEAN)
        self._rent = rent

    def offer(self, login_key: str) -> float:
        size = self._size()
        if not size.available or self._rent.region not in size.regions:
            where = ", ".join(sorted(size.regions)) if size.available else ""
            raise UserError(
                f"DigitalOcean: no {self._rent.type} can be had in {self._rent.region} now; it can in: "
                f"{clean(where) or 'no region'}."
            )
        print_of_key = _fingerprint(login_key)
        if self._ask("GET", f"/v2/account/keys/{print_of_key}")[0] == http.HTTPStatus.NOT_FOUND:
            raise UserError(
                f"DigitalOcean: your account does not know the public half of connection.key_file ({print_of_key}). "
                f"Add it at {KEYS_PAGE}, or: doctl compute ssh-key import gonogo --public-key-file FILE.pub"
            )
        return size.price_hourly

    def _size(self) -> _DropletSize:
        for page in range(1, MOST_PAGES + 1):
            path = f"/v2/sizes?per_page={PER_PAGE}&page={page}"
            sizes = as_documented("DigitalOcean", _SizesPage, self._ask("GET", path)[1], "GET /v2/sizes").sizes
            for size in sizes:
                if size.slug == self._rent.type:
                    return size
            if len(sizes) < PER_PAGE:
                break
        raise UserError(f"DigitalOcean: has no size {self._rent.type!r} for this account (rent.type)")

    def ask(self, order: Order) -> str:
        image = order.rent.image
        body = {
            "name": _name(order),
            "region": order.rent.region,
            "size": order.rent.type,
            "image": int(image) if image.isdigit() else image,
            "ssh_keys": [_fingerprint(order.login_key)],
            "tags": [self._tag],
            "user_data": cloud_config(order),
        }
        status, answer = self._ask("POST", "/v2/droplets", body)
        if status == http.HTTPStatus.NOT_FOUND:
            raise UserError("DigitalOcean: POST /v2/droplets: 404: no such image, size or region.")
        return str(as_documented("DigitalOcean", _OneDroplet, answer, "POST /v2/droplets").droplet.id)

    def of_order(self, order: Order) -> list[str]:
        return [machine.id for machine in self.find() if machine.name == _name(order)]

    def look(self, machine_id: str) -> Booting:
        path = f"/v2/droplets/{int(machine_id)}"
        status, answer = self._ask("GET", path)
        if status == http.HTTPStatus.NOT_FOUND:
            return Booting(state="gone", why="DigitalOcean no longer lists it")
        droplet = as_documented("DigitalOcean", _OneDroplet, answer, f"GET {path}").droplet
        address = next((str(one.ip_address) for one in droplet.networks.v4 if one.type == "public"), "")
        return Booting(state="running" if droplet.status == "active" else "starting", address=address)


def _name(order: Order) -> str:
    """Letters, digits, dots and hyphens, as host names have them; the token makes it this order's alone."""
    return f"gonogo-{re.sub('[^a-z0-9]+', '-', order.target.lower()).strip('-')[:40]}-{order.token[:16]}"


def _fingerprint(login_key: str) -> str:
    """MD5 in hexadecimal pairs, which is how DigitalOcean names a key."""
    digest = hashlib.md5(base64.b64decode(login_key.split()[1]), usedforsecurity=False).hexdigest()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))
