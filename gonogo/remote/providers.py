"""Destroying a rented machine through its provider. Nothing here makes one.

Switching a machine off does not always stop the bill: a droplet that is off is billed, and so is a machine at Lambda
until it is terminated. That is why each provider is asked whether the machine still exists.
"""

from __future__ import annotations

import http
import ipaddress
import json
import os
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any, Protocol

from gonogo.base.errors import UserError
from gonogo.config.target import Release

ANSWER_S = 30.0
COMMAND_S = 300.0
DIGITALOCEAN = "https://api.digitalocean.com"
TOKEN = "DIGITALOCEAN_TOKEN"


@dataclass(frozen=True)
class Rented:
    """A machine, as its provider lists it; `addresses` is None where the provider lists none."""

    id: str
    name: str
    addresses: tuple[str, ...] | None


def addresses_of(host: str) -> set[str]:
    """The host, and the addresses that its name resolves to."""
    try:
        return {plain(host)} if is_address(host) else {host, *(str(a[4][0]) for a in socket.getaddrinfo(host, None))}
    except OSError:
        return {host}


def plain(address: str) -> str:
    """One spelling for one address."""
    return str(ipaddress.ip_address(address)) if is_address(address) else address


def is_address(text: str) -> bool:
    """Whether it is an IP address, and not a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class Provider(Protocol):
    """Errors are UserErrors that name the provider and what it said."""

    def find(self) -> list[Rented]:
        """The machines with the target's tag that are billed."""

    def destroy(self, machine: Rented) -> None:
        """Destroy it with its disk; nothing happens where it no longer exists."""

    def is_gone(self, machine: Rented) -> bool:
        """Whether it is no longer billed."""


def provider(release: Release) -> Provider:
    """The one that the target names.

    Raises:
        UserError: its credentials are not set, or its library is not installed.
    """
    if release.provider == "digitalocean":
        token = os.environ.get(TOKEN)
        if not token:
            raise UserError(f"{TOKEN} is not set: DigitalOcean's API needs it to destroy the machine. Nothing was done")
        return DigitalOcean(token, release.tag)
    if release.provider == "ec2":
        return Ec2(release.tag, release.region)
    return CommandProvider(release.command, release.gone_command)


class DigitalOcean:
    """Droplets, by the public HTTPS API, version 2."""

    def __init__(self, token: str, tag: str, base_url: str = DIGITALOCEAN) -> None:
        self._token, self._tag, self._base_url = token, tag, base_url

    def find(self) -> list[Rented]:
        query = urllib.parse.urlencode({"tag_name": self._tag, "per_page": 200})
        _, answer = self._ask("GET", f"/v2/droplets?{query}")
        try:
            return [
                Rented(str(int(droplet["id"])), str(droplet["name"]), _droplet_addresses(droplet))
                for droplet in answer["droplets"]
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"DigitalOcean: GET /v2/droplets: the answer is not a list of droplets ({error!r})"
            ) from None

    def destroy(self, machine: Rented) -> None:
        self._ask("DELETE", f"/v2/droplets/{int(machine.id)}")

    def is_gone(self, machine: Rented) -> bool:
        status, _ = self._ask("GET", f"/v2/droplets/{int(machine.id)}")
        return status == http.HTTPStatus.NOT_FOUND

    def _ask(self, method: str, path: str) -> tuple[int, Any]:
        """Status and body; a 404 is an answer, other errors are raised."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._base_url + path, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
                text = answer.read(16 << 20)
                return answer.status, json.loads(text) if text else {}
        except urllib.error.HTTPError as error:
            if error.code == http.HTTPStatus.NOT_FOUND:
                return error.code, {}
            said = error.read(1 << 16).decode(errors="replace")
            hint = f" Is {TOKEN} right, and does it allow writing?" if error.code in (401, 403) else ""
            raise UserError(
                f"DigitalOcean: {method} {path.partition('?')[0]}: {error.code} {said[:200]}{hint}"
            ) from None
        except (OSError, ValueError) as error:
            raise UserError(f"DigitalOcean: {method} {path.partition('?')[0]}: {error}") from None


def _droplet_addresses(droplet: dict[str, Any]) -> tuple[str, ...]:
    networks = droplet["networks"]
    return tuple(str(v["ip_address"]) for v in [*networks["v4"], *networks.get("v6", [])])


class Ec2:
    """Instances, through boto3 and its own way of finding credentials."""

    ENDED = ("shutting-down", "terminated")

    def __init__(self, tag: str, region: str, endpoint_url: str | None = None) -> None:
        try:
            import boto3
            import botocore.exceptions
        except ImportError:
            raise UserError("provider ec2 needs boto3: pip install 'gonogo[aws]'") from None
        self._key, _, self._value = tag.partition("=")
        self._client = boto3.client("ec2", region_name=region, endpoint_url=endpoint_url)
        self._errors = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)

    def find(self) -> list[Rented]:
        wanted = [{"Name": f"tag:{self._key}", "Values": [self._value]}]
        return [
            Rented(instance["InstanceId"], instance["InstanceId"], _addresses(instance))
            for instance in self._instances(Filters=wanted)
            if instance["State"]["Name"] not in self.ENDED
        ]

    def destroy(self, machine: Rented) -> None:
        try:
            self._client.terminate_instances(InstanceIds=[machine.id])
        except self._errors as error:
            raise UserError(f"EC2: terminate {machine.id}: {error}") from None

    def is_gone(self, machine: Rented) -> bool:
        wanted = [{"Name": "instance-id", "Values": [machine.id]}]
        return all(instance["State"]["Name"] in self.ENDED for instance in self._instances(Filters=wanted))

    def _instances(self, **asked: Any) -> list[dict[str, Any]]:
        try:
            pages = self._client.get_paginator("describe_instances").paginate(**asked)
            return [instance for page in pages for group in page["Reservations"] for instance in group["Instances"]]
        except self._errors as error:
            raise UserError(f"EC2: describe instances: {error}") from None


def _addresses(instance: dict[str, Any]) -> tuple[str, ...]:
    names = ("PublicIpAddress", "PublicDnsName", "PrivateIpAddress", "PrivateDnsName", "Ipv6Address")
    found = [instance[name] for name in names if instance.get(name)]
    for card in instance.get("NetworkInterfaces", []):
        found += [v["Ipv6Address"] for v in card.get("Ipv6Addresses", [])]
        for private in card.get("PrivateIpAddresses", []):
            found += [private["PrivateIpAddress"], private.get("Association", {}).get("PublicIp")]
    return tuple(dict.fromkeys(address for address in found if address))


class CommandProvider:
    """Any provider that has a command line: what the user would type, run by their shell."""

    def __init__(self, command: str, gone_command: str) -> None:
        self._command, self._gone_command = command, gone_command

    def find(self) -> list[Rented]:
        return [] if self._run(self._gone_command)[0] == 0 else [Rented("", "the machine", None)]

    def destroy(self, machine: Rented) -> None:
        code, said = self._run(self._command)
        if code:
            raise UserError(f"release.command failed (exit code {code}): {said or 'it printed nothing'}")

    def is_gone(self, machine: Rented) -> bool:
        return self._run(self._gone_command)[0] == 0

    def _run(self, command: str) -> tuple[int, str]:
        try:
            done = subprocess.run(
                command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                timeout=COMMAND_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return 124, f"still running after {COMMAND_S:g} s"
        return done.returncode, done.stdout.decode(errors="replace").strip()[-300:]
