"""The order of a machine, on disk from before the provider hears of it: a second attempt finds the first one's."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.base.files import replacing
from gonogo.config.load import Settings
from gonogo.config.target import Rent, Ssh
from gonogo.remote.providers import patiently
from gonogo.remote.rental import Order, Rental
from gonogo.remote.renting import rental
from gonogo.stages.held_machines import locked

LOOK_EVERY_S = 5.0
LISTED_WITHIN_S = 60.0  # after the request; a provider's lists lag behind


class NotRented(UserError):
    """Nothing is rented, for this reason."""


@dataclass
class Renting:
    """One target's machine on its way."""

    settings: Settings
    rent: Rent
    say: Callable[[str], None]
    accelerator: str = ""  # where it was chosen for its card

    def __post_init__(self) -> None:
        self.target = self.settings.config.target
        self.there: Rental = rental(self.rent, self.settings.target)

    @property
    def ssh(self) -> Ssh:
        assert isinstance(self.settings.target.connection, Ssh), "the config sees to it"
        return self.settings.target.connection

    @property
    def login_key(self) -> str:
        """The public half of the target's key, as in authorized_keys."""
        from gonogo.remote.connection import private_key

        key = private_key(self.ssh.key_file.expanduser())
        return f"{key.get_name()} {key.get_base64()}"

    @property
    def path(self) -> Path:
        return order_file(self.settings)

    @property
    def file(self) -> Path:
        """The target's own file, which must be there to be written."""
        path = self.settings.root / "config" / "targets" / f"{self.target}.yaml"
        if not path.exists():
            raise NotRented(f"{path}: not found, and the machine's address is to be written there. Nothing was rented.")
        return path

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """One at a time."""
        waiting = f"another gonogo rent of target {self.target} is under way; waiting for it"
        return locked(self.path.with_suffix(".lock"), lambda: self.say(waiting))

    def where(self) -> str:
        """What is rented, in words."""
        release = self.settings.target.release
        if release.provider == "command":
            return "what rent.command rents"
        kind = f"{self.rent.type}{' (spot)' if self.rent.spot else ''}"
        return f"{kind} at {release.provider} in {release.region or self.rent.region}"


def order_file(settings: Settings) -> Path:
    """Exists from before the provider is asked until the machine is held or released."""
    return settings.config.results_dir / "rented" / f"{settings.config.target}.json"


def found_of(renting: Renting, order: Order) -> Order | None:
    """The order with its machine's id; None where there is none, though the provider had time to list it."""
    until = order.asked_at + LISTED_WITHIN_S
    while True:
        found = patiently(lambda: renting.there.of_order(order), renting.say)
        if len(found) > 1:
            raise UserError(
                f"{' and '.join(found)} were both rented by one order: destroy all but one in your provider's console, "
                "and run this command again."
            )
        if found:
            return noted(renting, order, found[0])
        if time.time() > until:
            renting.path.unlink(missing_ok=True)
            return None
        time.sleep(min(LOOK_EVERY_S, LISTED_WITHIN_S / 4))


def noted(renting: Renting, order: Order, machine_id: str) -> Order:
    order.machine_id = machine_id
    write_order(renting.path, order)
    return order


def write_order(path: Path, order: Order) -> None:
    """For this user alone: it holds the private half of the machine's host key."""
    with replacing(path) as temporary:
        temporary.chmod(0o600)
        temporary.write_text(order.model_dump_json())
        with temporary.open() as written:
            os.fsync(written.fileno())
