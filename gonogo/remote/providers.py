"""Destroying a rented machine through its provider. `renting` makes them.

Switching a machine off does not always stop the bill: a droplet that is off is billed, and so is a machine at Lambda
until it is terminated. That is why each provider is asked whether the machine still exists.
"""

from __future__ import annotations

import contextlib
import http
import http.client
import json
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from gonogo.base.bounded_json import JsonBounds, parsed
from gonogo.base.errors import UserError
from gonogo.base.text import clean
from gonogo.config.target import Release
from gonogo.remote.rented import Rented

ANSWER_S = 30.0
COMMAND_S = 300.0
PATIENCE_S = 600.0  # for a provider that fails in passing
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
PASSING = (408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524)  # HTTP codes of a server that may work later
DIGITALOCEAN = "https://api.digitalocean.com"
TOKEN = "DIGITALOCEAN_TOKEN"
ANSWER_BOUNDS = JsonBounds(16 << 20, 500_000)


Answer = TypeVar("Answer")


class FailsInPassing(UserError):
    """The provider could not be asked, or did not answer as it should: later it may."""


class Provider(Protocol):
    """Errors are UserErrors that name the provider and what it said."""

    def find(self) -> list[Rented]:
        """The machines with the target's tag that are billed."""

    def destroy(self, machine: Rented) -> None:
        """Destroy it with its disk; nothing happens where it no longer exists."""

    def is_gone(self, machine: Rented) -> bool:
        """Whether it is no longer billed."""


def patiently(ask: Callable[[], Answer], say: Callable[[str], None]) -> Answer:
    """What the provider answers; asked again for PATIENCE_S, ever more slowly, while it fails in passing.

    Raises:
        FailsInPassing: the last time, too.
        UserError: it refused, which another try would not change.
    """
    until, pause = time.monotonic() + PATIENCE_S, FIRST_PAUSE_S
    while True:
        try:
            return ask()
        except FailsInPassing as error:
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise
            if pause == FIRST_PAUSE_S:
                say(f"{error} Trying again for up to {PATIENCE_S / 60:.0f} min.")
            time.sleep(min(pause, left_s))
            pause = min(2 * pause, LONGEST_PAUSE_S)


def digitalocean_token() -> str:
    """Raises UserError where this shell has none."""
    token = os.environ.get(TOKEN)
    if not token:
        raise UserError(f"{TOKEN} is not set: DigitalOcean's API needs it. Nothing was done")
    return token


def provider(release: Release) -> Provider:
    """The one that the target names.

    Raises:
        UserError: its credentials are not set, or its library is not installed.
    """
    if release.provider == "digitalocean":
        return DigitalOcean(digitalocean_token(), release.tag, DIGITALOCEAN)
    if release.provider == "ec2":
        return Ec2(release.tag, release.region)
    return CommandProvider(release.command, release.gone_command)


class DigitalOcean:
    """Droplets, by the public HTTPS API, version 2."""

    def __init__(self, token: str, tag: str, base_url: str) -> None:
        self._token, self._tag, self._base_url = token, tag, base_url

    def find(self) -> list[Rented]:
        query = urllib.parse.urlencode({"tag_name": self._tag, "per_page": 200})
        _, answer = self._ask("GET", f"/v2/droplets?{query}")
        try:
            return [
                Rented(str(int(droplet["id"])), clean(droplet["name"]), _droplet_addresses(droplet))
                for droplet in answer["droplets"]
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise FailsInPassing(
                f"DigitalOcean: GET /v2/droplets: the answer is not a list of droplets ({error!r})."
            ) from None

    def destroy(self, machine: Rented) -> None:
        self._ask("DELETE", f"/v2/droplets/{int(machine.id)}")

    def is_gone(self, machine: Rented) -> bool:
        status, _ = self._ask("GET", f"/v2/droplets/{int(machine.id)}")
        return status == http.HTTPStatus.NOT_FOUND

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Status and body; a 404 is an answer, other errors are raised."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base_url + path, data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
                text = answer.read(ANSWER_BOUNDS.size_bytes + 1)
                return answer.status, parsed(text, ANSWER_BOUNDS, "utf-8") if text else {}
        except urllib.error.HTTPError as error:
            if error.code == http.HTTPStatus.NOT_FOUND:
                return error.code, {}
            said = _last_words(error)
            hint = f" Is {TOKEN} right, and does it allow writing?" if error.code in (401, 403) else ""
            kind = FailsInPassing if error.code in PASSING else UserError
            raise kind(f"DigitalOcean: {method} {path.partition('?')[0]}: {error.code} {said[:200]}.{hint}") from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            said = str(error) or type(error).__name__
            raise FailsInPassing(f"DigitalOcean: {method} {path.partition('?')[0]}: {said}.") from None


def _last_words(error: urllib.error.HTTPError) -> str:
    """Its `message`, or all that it said."""
    try:
        said = error.read(1 << 16)
    except (OSError, http.client.HTTPException):
        return ""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        return clean(parsed(said, encoding="utf-8")["message"]).rstrip(".")
    return clean(said.decode(errors="replace"))


def _droplet_addresses(droplet: dict[str, Any]) -> tuple[str, ...]:
    networks = droplet["networks"]
    return tuple(str(v["ip_address"]) for v in [*networks["v4"], *networks.get("v6", [])])


THROTTLED = (
    "RequestLimitExceeded", "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled",
    "RequestThrottledException", "EC2ThrottledException", "SlowDown", "PriorRequestNotComplete", "RequestTimeout",
    "RequestTimeoutException", "InsufficientRequestCapacity",
)  # fmt: skip
NEVER_WORKS = ("NoCredentialsError", "PartialCredentialsError", "NoRegionError", "ParamValidationError")


class Ec2:
    """Instances, through boto3 and its own way of finding credentials."""

    ENDED = ("shutting-down", "terminated")

    def __init__(self, tag: str, region: str, endpoint_url: str | None = None) -> None:
        try:
            import boto3
            import botocore.config
            import botocore.exceptions
            import botocore.parsers
        except ImportError:
            raise UserError("provider ec2 needs boto3: pip install 'gonogo[aws]'") from None
        self._key, _, self._value = tag.partition("=")
        # by itself it waits for minutes without a word; `patiently` tries again, and says so
        self._patience = botocore.config.Config(
            connect_timeout=ANSWER_S, read_timeout=ANSWER_S, retries={"total_max_attempts": 2}
        )
        self._client = boto3.client("ec2", region_name=region, endpoint_url=endpoint_url, config=self._patience)
        self._errors = (
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, botocore.parsers.ResponseParserError,
        )  # fmt: skip

    def find(self) -> list[Rented]:
        wanted = [{"Name": f"tag:{self._key}", "Values": [self._value]}]
        return [
            Rented(identity, identity, addresses)
            for identity, state, addresses in self._instances(Filters=wanted)
            if state not in self.ENDED
        ]

    def destroy(self, machine: Rented) -> None:
        try:
            self._client.terminate_instances(InstanceIds=[machine.id])
        except self._errors as error:
            raise self._told(f"terminate {machine.id}", error) from None

    def is_gone(self, machine: Rented) -> bool:
        wanted = [{"Name": "instance-id", "Values": [machine.id]}]
        return all(state in self.ENDED for _, state, _ in self._instances(Filters=wanted))

    def _instances(self, **asked: Any) -> list[tuple[str, str, tuple[str, ...]]]:
        """Id, state and addresses of each."""
        try:
            pages = self._client.get_paginator("describe_instances").paginate(**asked)
            found = [instance for page in pages for group in page["Reservations"] for instance in group["Instances"]]
            return [(str(one["InstanceId"]), str(one["State"]["Name"]), _addresses(one)) for one in found]
        except self._errors as error:
            raise self._told("describe instances", error) from None
        except (KeyError, TypeError) as error:
            raise FailsInPassing(f"EC2: describe instances: the answer lists no instances ({error!r}).") from None

    def _told(self, what: str, error: Exception) -> UserError:
        """A refusal is final; a link that fails, a throttled or broken service is not."""
        metadata = (getattr(error, "response", None) or {}).get("ResponseMetadata", {})
        code = (getattr(error, "response", None) or {}).get("Error", {}).get("Code", "")
        refused = metadata.get("HTTPStatusCode") in range(400, 500) and code not in THROTTLED
        final = refused or type(error).__name__ in NEVER_WORKS
        return (UserError if final else FailsInPassing)(f"EC2: {what}: {clean(error)}")


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
            raise FailsInPassing(f"release.command failed (exit code {code}): {said or 'it printed nothing'}.")

    def is_gone(self, machine: Rented) -> bool:
        return self._run(self._gone_command)[0] == 0

    def _run(self, command: str, within_s: float = COMMAND_S, **environment: str) -> tuple[int, str]:
        """Exit code, and the end of what it printed, in one line."""
        try:
            done = subprocess.run(
                command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                timeout=within_s, check=False, env={**os.environ, **environment},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return 124, f"still running after {within_s:g} s"
        return done.returncode, clean(done.stdout.decode(errors="replace").strip()[-300:])
