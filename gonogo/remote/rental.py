"""An order for one machine: it can be sent twice and rents once, and its host key is known before the machine is.

The host key is made here and reaches the machine through cloud-init, so no key is ever trusted on first use.
"""

from __future__ import annotations

import secrets
import time
from typing import Literal, Protocol, TypeVar

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from gonogo.base.models import StrictModel
from gonogo.base.text import clean
from gonogo.config.target import Rent
from gonogo.remote.providers import FailsInPassing, Provider

Read = TypeVar("Read")


class Order(StrictModel):
    """What is kept from before the request until the machine answers. It holds a private key."""

    token: str = Field(default_factory=lambda: secrets.token_hex(16), description="names it to the provider")
    asked_at: float = Field(default_factory=time.time, description="when the provider was asked for the machine")
    target: str
    rent: Rent
    accelerator: str = Field("", description="its card, where it was chosen for one; empty: the target's")
    usd_per_hour: float = Field(ge=0)
    login_key: str = Field(description="public key that may log in, as in authorized_keys")
    host_key: str = Field(description="the machine's, as in known_hosts")
    private_host_key: str = Field(repr=False, description="in OpenSSH's format")
    machine_id: str | None = Field(None, description="null: the provider has not said; empty: it gives none")

    @property
    def machine(self) -> str:
        """For people."""
        return self.machine_id or "the machine"


class Booting(StrictModel):
    """A machine on its way, as its provider describes it."""

    state: Literal["starting", "running", "gone"]
    address: str = ""
    port: int | None = Field(None, gt=0, lt=65536, description="null: the target's")
    user: str = Field("", description="empty: the target's")
    why: str = Field("", description="of one that is gone: the provider's words")


class Rental(Provider, Protocol):
    """A provider that rents, too. Errors are UserErrors that name the provider and what it said."""

    def offer(self, login_key: str) -> float:
        """Dollars an hour, as the provider states them; raises where it would refuse the order. Creates nothing."""

    def ask(self, order: Order) -> str:
        """Rent the machine; its id.

        Raises:
            FailsInPassing: it may be rented, or not.
            UserError: it is not.
        """

    def of_order(self, order: Order) -> list[str]:
        """Ids of the machines that were rented by this order and are billed."""

    def look(self, machine_id: str) -> Booting:
        """How far it is."""


def start_script(order: Order) -> str:
    """The same for a machine without cloud-init, to be run there as root, once its SSH server is installed."""
    return f"""#!/bin/sh
set -eu
umask 077
rm -f /etc/ssh/ssh_host_*
cat > /etc/ssh/ssh_host_ed25519_key <<'EOF'
{order.private_host_key.strip()}
EOF
echo '{order.host_key}' > /etc/ssh/ssh_host_ed25519_key.pub
mkdir -p ~/.ssh
echo '{order.login_key}' >> ~/.ssh/authorized_keys
service ssh restart || systemctl restart sshd
"""


def new_host_key() -> tuple[str, str]:
    """Private and public half of a new ed25519 key, as OpenSSH writes them."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    return private.decode(), public.decode()


def cloud_config(order: Order) -> str:
    """For cloud-init at the first boot: the host key alone, and the key that may log in (cloud-init, module ssh)."""
    keys = {"ed25519_private": order.private_host_key, "ed25519_public": order.host_key}
    config = {"ssh_deletekeys": True, "ssh_keys": keys, "ssh_authorized_keys": [order.login_key]}
    return f"#cloud-config\n{yaml.safe_dump(config)}"


def as_documented(who: str, kind: type[Read], answer: object, what: str) -> Read:
    """The provider's answer, as what its documentation says that it is; keys that nobody needs are passed over.

    Raises:
        FailsInPassing: it is something else.
    """
    try:
        return TypeAdapter(kind).validate_python(answer)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = clean(".".join(map(str, first["loc"])))[:100]
        raise FailsInPassing(f"{who}: {what}: the answer is not as documented ({where}: {first['msg']}).") from None
