"""A rented machine as its provider lists it, and which of several is the target's."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from gonogo.base.errors import UserError


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


def machine_at(found: list[Rented], host: str, tag: str) -> list[Rented]:
    """The machine at the target's address; where the host is a name that leads nowhere, the only one with the tag.

    Raises:
        UserError: one of several would have to be chosen, or the address is another's: nothing is destroyed.
    """
    wanted = addresses_of(host)
    told = [machine for machine in found if machine.addresses is not None]
    at_host = [machine for machine in told if wanted & {plain(address) for address in machine.addresses or ()}]
    if told and not at_host and any(is_address(address) for address in wanted):
        theirs = "; ".join(f"{machine.name}: {', '.join(machine.addresses or ()) or 'none'}" for machine in told)
        raise UserError(
            f"no machine with the tag {tag!r} has the address of {host} ({theirs}): nothing was destroyed. Give the "
            "tag to that machine, or write the machine's own address into connection.host."
        )
    found = at_host or found
    if len(found) > 1:
        names = ", ".join(machine.name for machine in found)
        raise UserError(
            f"{len(found)} machines carry the tag {tag!r} ({names}), and none of them is known to be {host}: nothing "
            "was destroyed. Give the target's machine a tag of its own, or its address in connection.host."
        )
    return found
